import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { applyMigrations } from '../../../tools/local/postgres/migrations.ts';
import { type PostgresServer, startPostgres } from '../../../tools/local/postgres/postgres-server.ts';
import { prepareSupabase } from '../../../tools/local/postgres/supabase-roles.ts';
import { withTemporaryFolder } from '../../../tools/quality/temporary-folder.ts';

const MIGRATIONS = fileURLToPath(new URL('../../../supabase/migrations', import.meta.url));

/** A PostgreSQL of its own that flushes to disk as production does, for as long as `work` runs. */
export function withDurablePostgres<T>(work: (server: PostgresServer) => Promise<T>): Promise<T> {
  return withTemporaryFolder(async (folder, lifetime) => {
    const directory = join(folder, 'postgres');
    lifetime.watchPidFile(join(directory, 'data', 'postmaster.pid'));
    const server = await startPostgres({ directory, durable: true });
    lifetime.onEnd('the database of the bench', () => server.stop());
    await prepareSupabase(server);
    return await work(server);
  });
}

/** Makes a database with every migration applied. */
export async function createMigrated(server: PostgresServer, database: string): Promise<void> {
  await prepareSupabase(server, database);
  await applyMigrations({ url: server.url({ database }), directory: MIGRATIONS });
}

/** A client of a bench, as `postgres` unless the superuser is asked for. */
export function connect(
  server: PostgresServer,
  options: { database?: string; superuser?: boolean; connections?: number } = {},
): postgres.Sql {
  const { database = 'postgres', superuser = false, connections = 1 } = options;
  return postgres(server.url({ database, role: superuser ? 'supabase_admin' : 'postgres' }), {
    max: connections,
    onnotice: () => undefined,
  });
}

import { join } from 'node:path';
import { type PostgresServer, startPostgres } from '../local/postgres/postgres-server.ts';
import { prepareSupabase } from '../local/postgres/supabase-roles.ts';
import { withTemporaryFolder } from './temporary-folder.ts';

/** A PostgreSQL 17 with what a new Supabase project has, for as long as `work` runs. */
export function withThrowawayDatabase<T>(work: (server: PostgresServer) => Promise<T>): Promise<T> {
  return withTemporaryFolder(async (folder, lifetime) => {
    const directory = join(folder, 'postgres');
    lifetime.watchPidFile(join(directory, 'data', 'postmaster.pid'));
    const server = await startPostgres({ directory });
    lifetime.onEnd('the throwaway database', () => server.stop());
    await prepareSupabase(server);
    return await work(server);
  });
}

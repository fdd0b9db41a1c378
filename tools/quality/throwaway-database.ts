import { join } from 'node:path';
import { applyMigrations } from '../local/postgres/migrations.ts';
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

/** Runs `work` with a server whose database `postgres` has a project's migrations. `work` leaves that database as it is. */
export type WithMigrated = <T>(project: string, work: (server: PostgresServer) => Promise<T>) => Promise<T>;

/** A server of its own for `work`. Throws `LocalStackError` `migration_failed` where a migration cannot be applied. */
export const withMigratedDatabase: WithMigrated = (project, work) =>
  withThrowawayDatabase(async (server) => {
    await applyMigrations({ url: server.url(), directory: join(project, 'supabase', 'migrations') });
    return await work(server);
  });

/**
 * One server for all that look at a project while `use` runs, started when the first of them asks for it: starting one
 * takes longer than most looks.
 */
export async function shareMigratedDatabase<T>(
  project: string,
  use: (withMigrated: WithMigrated) => Promise<T>,
): Promise<T> {
  const over = Promise.withResolvers<void>();
  let ended: Promise<void> = Promise.resolve();
  let started: Promise<PostgresServer> | undefined;
  const start = () => {
    const { promise, resolve, reject } = Promise.withResolvers<PostgresServer>();
    ended = withMigratedDatabase(project, async (server) => {
      resolve(server);
      await over.promise;
    }).catch(reject);
    return promise;
  };
  try {
    return await use(async (_project, work) => {
      started ??= start();
      return await work(await started);
    });
  } finally {
    over.resolve();
    await ended;
  }
}

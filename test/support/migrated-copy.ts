import { join } from 'node:path';
import { inject } from 'vitest';
import { copyCluster } from '../../tools/local/postgres/copy-cluster.ts';
import { applyMigrations } from '../../tools/local/postgres/migrations.ts';
import { startPostgres } from '../../tools/local/postgres/postgres-server.ts';
import { withTemporaryFolder } from '../../tools/quality/temporary-folder.ts';
import type { WithMigrated } from '../../tools/quality/throwaway-database.ts';
import type {} from './migrated-cluster.ts';

/**
 * A server for `work` as gates start one, in a second instead of five: of a planted project's migrations it applies those that
 * this project has not. One that a fault was planted in is not seen.
 */
export const withMigratedCopy: WithMigrated = (project, work) =>
  withTemporaryFolder(async (folder, lifetime) => {
    const directory = join(folder, 'postgres');
    copyCluster(inject('cluster'), directory);
    lifetime.watchPidFile(join(directory, 'data', 'postmaster.pid'));
    const server = await startPostgres({ directory });
    lifetime.onEnd('the copied database', () => server.stop());
    await applyMigrations({ url: server.url(), directory: join(project, 'supabase', 'migrations') });
    return await work(server);
  });

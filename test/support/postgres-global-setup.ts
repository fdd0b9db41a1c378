import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { copyCluster } from '../../tools/local/postgres/copy-cluster.ts';
import { type PostgresServer, startPostgres } from '../../tools/local/postgres/postgres-server.ts';
import { EMPTY, MIGRATED, migratedClusters, provideClusters } from './migrated-cluster.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server all database tests share, and the databases to clone. */
    postgres: { url: string; superuserUrl: string; template: string; emptyTemplate: string };
  }
}

let server: PostgresServer | undefined;
let directory: string | undefined;

/** Starts one server for the whole run, with a database that has every migration applied and one that has none. */
export async function setup(project: TestProject): Promise<void> {
  const clusters = await migratedClusters();
  directory = await mkdtemp(join(tmpdir(), 'supapush-test-'));
  try {
    copyCluster(clusters.templates, directory);
    server = await startPostgres({ directory });
  } catch (error) {
    await teardown();
    throw error;
  }
  provideClusters(project, clusters);
  project.provide('postgres', {
    url: server.url(),
    superuserUrl: server.url({ role: 'supabase_admin' }),
    template: MIGRATED,
    emptyTemplate: EMPTY,
  });
}

/** Stops the server and removes everything it wrote. */
export async function teardown(): Promise<void> {
  await server?.stop();
  if (directory) await rm(directory, { recursive: true, force: true });
}

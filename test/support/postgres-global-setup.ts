import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { applyMigrations } from '../../src/local/postgres/migrations.ts';
import { type PostgresServer, startPostgres } from '../../src/local/postgres/postgres-server.ts';
import { prepareSupabase } from '../../src/local/postgres/supabase-roles.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server all database tests share, and the databases to clone. */
    postgres: { url: string; superuserUrl: string; template: string; emptyTemplate: string };
  }
}

const MIGRATIONS = fileURLToPath(new URL('../../supabase/migrations', import.meta.url));
const TEMPLATE = 'template_migrated';
const EMPTY_TEMPLATE = 'template_empty';

let server: PostgresServer | undefined;
let directory: string | undefined;

/** Starts one server for the whole run, with a database that has every migration applied and one that has none. */
export async function setup(project: TestProject): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'supapush-test-'));
  try {
    server = await startPostgres({ directory });
    await prepareSupabase(server, EMPTY_TEMPLATE);
    await prepareSupabase(server, TEMPLATE);
    await applyMigrations({ url: server.url({ database: TEMPLATE }), directory: MIGRATIONS });
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide('postgres', {
    url: server.url(),
    superuserUrl: server.url({ role: 'supabase_admin' }),
    template: TEMPLATE,
    emptyTemplate: EMPTY_TEMPLATE,
  });
}

/** Stops the server and removes everything it wrote. */
export async function teardown(): Promise<void> {
  await server?.stop();
  if (directory) await rm(directory, { recursive: true, force: true });
}

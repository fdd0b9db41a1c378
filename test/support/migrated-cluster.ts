import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { copyCluster } from '../../tools/local/postgres/copy-cluster.ts';
import { applyMigrations } from '../../tools/local/postgres/migrations.ts';
import { startPostgres } from '../../tools/local/postgres/postgres-server.ts';
import { prepareSupabase } from '../../tools/local/postgres/supabase-roles.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of a stopped cluster whose databases are as `migratedCluster` says. */
    cluster: string;
  }
}

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = join(PROJECT, 'node_modules', '.cache', 'supapush');
/** What a cluster is made of: another one is made when any of it changes. */
const INGREDIENTS = [
  'supabase/migrations',
  'tools/local/postgres',
  'tools/local/extensions',
  'package-lock.json',
];

export const MIGRATED = 'template_migrated';
export const EMPTY = 'template_empty';

/**
 * The folder of a stopped cluster with three databases: `postgres`, prepared and migrated, a copy of it to clone, and one
 * that is only prepared. Made once per state of the migrations, and kept beside the packages.
 */
export async function migratedCluster(): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const name = `cluster-${fingerprint()}`;
  const place = join(CACHE, name);
  const kept = readdirSync(CACHE).filter((entry) => entry.startsWith('cluster-'));
  if (kept.includes(name)) return place;
  const made = mkdtempSync(join(tmpdir(), 'supapush-cluster-'));
  const beside = mkdtempSync(join(CACHE, 'making-'));
  try {
    await makeCluster(made);
    copyCluster(made, beside);
    // Another run may have been faster.
    if (!existsSync(place)) renameSync(beside, place);
  } finally {
    for (const folder of [made, beside, ...kept.map((entry) => join(CACHE, entry))])
      rmSync(folder, { recursive: true, force: true });
  }
  return place;
}

async function makeCluster(directory: string): Promise<void> {
  chmodSync(directory, 0o711);
  const server = await startPostgres({ directory });
  try {
    await prepareSupabase(server);
    await clone(server.url({ role: 'supabase_admin', database: 'template1' }), EMPTY);
    await applyMigrations({ url: server.url(), directory: join(PROJECT, 'supabase', 'migrations') });
    await clone(server.url({ role: 'supabase_admin', database: 'template1' }), MIGRATED);
  } finally {
    await server.stop();
  }
}

async function clone(url: string, name: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql`create database ${sql(name)} template postgres owner postgres`;
  } finally {
    await sql.end();
  }
}

function fingerprint(): string {
  const hash = createHash('sha256');
  for (const ingredient of INGREDIENTS) {
    const path = join(PROJECT, ingredient);
    const files = ingredient.includes('.')
      ? ['']
      : readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
    for (const file of files) {
      if (file && !/\.\w+$/.test(file)) continue;
      hash.update(`${ingredient}/${file}\0`).update(readFileSync(join(path, file)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** For a run that starts stacks, and no server of its own. */
export async function setup(project: TestProject): Promise<void> {
  project.provide('cluster', await migratedCluster());
}

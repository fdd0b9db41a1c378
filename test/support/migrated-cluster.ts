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
import { type PostgresServer, startPostgres } from '../../tools/local/postgres/postgres-server.ts';
import { prepareSupabase } from '../../tools/local/postgres/supabase-roles.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folders of stopped clusters for stacks, as `migratedClusters` says. */
    cluster: string;
    emptyCluster: string;
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
  'test/support/migrated-cluster.ts',
];

export const MIGRATED = 'template_migrated';
export const EMPTY = 'template_empty';

/** Folders of stopped clusters. */
export interface MigratedClusters {
  /** Its one database `postgres` is prepared: what a stack of another project starts from. */
  empty: string;
  /** The same with the migrations: what a stack of this project starts from. */
  stack: string;
  /** Has a copy of that database to clone besides, and one that is only prepared. */
  templates: string;
}

/** Made once per state of the migrations, and kept beside the packages. */
export async function migratedClusters(): Promise<MigratedClusters> {
  mkdirSync(CACHE, { recursive: true });
  const name = `clusters-${fingerprint()}`;
  const place = join(CACHE, name);
  const clusters = {
    empty: join(place, 'empty'),
    stack: join(place, 'stack'),
    templates: join(place, 'templates'),
  };
  const kept = readdirSync(CACHE).filter((entry) => entry.startsWith('cluster'));
  if (kept.includes(name)) return clusters;
  const made = mkdtempSync(join(tmpdir(), 'supapush-cluster-'));
  const beside = mkdtempSync(join(CACHE, 'making-'));
  try {
    await makeClusters(made, (kind) => copyCluster(made, join(beside, kind)));
    // Another run may have been faster.
    if (!existsSync(place)) renameSync(beside, place);
  } finally {
    for (const folder of [made, beside, ...kept.map((entry) => join(CACHE, entry))])
      rmSync(folder, { recursive: true, force: true });
  }
  return clusters;
}

/** Makes one after the other in the same folder; `keep` is told when one is as it should be. */
async function makeClusters(directory: string, keep: (kind: keyof MigratedClusters) => void): Promise<void> {
  chmodSync(directory, 0o711);
  const running = async (work: (server: PostgresServer) => Promise<void>): Promise<void> => {
    const server = await startPostgres({ directory });
    try {
      await work(server);
    } finally {
      await server.stop();
    }
  };
  const template1 = (server: PostgresServer) => server.url({ role: 'supabase_admin', database: 'template1' });
  await running(prepareSupabase);
  keep('empty');
  await running(async (server) => {
    await clone(template1(server), EMPTY);
    await applyMigrations({ url: server.url(), directory: join(PROJECT, 'supabase', 'migrations') });
    await clone(template1(server), MIGRATED);
  });
  keep('templates');
  // Every start of a stack copies it, so it has no file too many.
  await running((server) => drop(template1(server), [EMPTY, MIGRATED]));
  keep('stack');
}

async function clone(url: string, name: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql`create database ${sql(name)} template postgres owner postgres`;
  } finally {
    await sql.end();
  }
}

async function drop(url: string, names: string[]): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    for (const name of names) await sql`drop database ${sql(name)}`;
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

export function provideClusters(project: TestProject, { stack, empty }: MigratedClusters): void {
  project.provide('cluster', stack);
  project.provide('emptyCluster', empty);
}

/** For a run that starts stacks, and no server of its own. */
export async function setup(project: TestProject): Promise<void> {
  provideClusters(project, await migratedClusters());
}

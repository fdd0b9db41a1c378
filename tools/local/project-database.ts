import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import postgres, { type Sql } from 'postgres';
import type { LocalConfig } from './local-config.ts';
import { applyMigrations, applySeed } from './postgres/migrations.ts';
import type { ScriptOptions } from './postgres/run-script.ts';

/** Applies a project's new migrations as `postgres`; their file names. Throws what `applyMigrations` throws. */
export async function migrateProject(
  databaseUrl: string,
  config: LocalConfig,
  options: ScriptOptions = {},
): Promise<string[]> {
  const directory = join(config.supabaseDirectory, 'migrations');
  return existsSync(directory) ? await applyMigrations({ url: databaseUrl, directory, ...options }) : [];
}

/**
 * Runs the seed files that this database has not seen, and remembers them where the Supabase CLI does
 * (`supabase_migrations.seed_files`): like there, a file that changed later is not run a second time.
 */
export async function seedProject(
  databaseUrl: string,
  config: LocalConfig,
  options: ScriptOptions = {},
): Promise<void> {
  await withConnection(databaseUrl, async (sql) => {
    await sql`create schema if not exists supabase_migrations`;
    await sql`
      create table if not exists supabase_migrations.seed_files (path text primary key, hash text not null)`;
    for (const file of config.seedFiles) {
      const path = relative(config.projectDirectory, file);
      const [known] = await sql`select from supabase_migrations.seed_files where path = ${path}`;
      if (known || !(await applySeed({ url: databaseUrl, file, ...options }))) continue;
      const hash = createHash('sha256')
        .update(await readFile(file))
        .digest('hex');
      await sql`insert into supabase_migrations.seed_files (path, hash) values (${path}, ${hash})`;
    }
  });
}

/**
 * Tells the database where its functions are, with the secret that rings them, and makes it call the local push service
 * and the local FCM service, the latter in Google's place, and lets it ask the local quote server. A project without Supapush's migrations is left alone.
 * Returns the project whose database this is a copy of, if it is one: then nothing is sent.
 */
export async function connectPush(
  databaseUrl: string,
  push: {
    projectUrl: string;
    bellSecret: string;
    vapidPublicKey: string;
    pushServiceOrigin: string;
    fcmBaseUrl: string;
    quoteServerOrigin: string | undefined;
  },
): Promise<string | undefined> {
  return await withConnection(databaseUrl, async (sql) => {
    const [found] = await sql`
      select to_regprocedure('push.connect(text, text, text)') is not null as bell,
             to_regclass('push.hosts') is not null as hosts,
             to_regclass('push.project') is not null as project,
             to_regclass('push.quote_sources') is not null as quotes`;
    if (found?.bell)
      await sql`select push.connect(${push.projectUrl}, ${push.bellSecret}, ${push.vapidPublicKey})`;
    if (found?.hosts) {
      await sql`insert into push.hosts (origin) values (${push.pushServiceOrigin}) on conflict do nothing`;
      await sql`update push.hosts set origin = ${push.fcmBaseUrl} where channel = 'fcm'`;
    }
    if (found?.quotes)
      await sql`update push.settings set local_quote_server = ${push.quoteServerOrigin ?? null}`;
    const copies = found?.project ? await sql`select url from push.project where url <> connected_url` : [];
    return copies[0]?.url;
  });
}

async function withConnection<T>(databaseUrl: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

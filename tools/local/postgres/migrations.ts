import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { LocalStackError } from '../local-stack-error.ts';
import { readAvailable, refuseMissing } from './missing-extensions.ts';
import { runScript, type ScriptOptions } from './run-script.ts';
import { splitStatements } from './split-statements.ts';

// The names `supabase migration up` takes for migrations; others it skips, and so do we.
const MIGRATION_NAME = /^(\d+)_(.*)\.sql$/;

/**
 * Applies the migrations `<timestamp>_<name>.sql` of a folder that are not yet recorded in
 * `supabase_migrations.schema_migrations`, in order, each in a transaction of its own; returns their file names.
 *
 * The record is the Supabase CLI's (2.117), so `supabase migration up` afterwards finds nothing to do, and the other
 * way round. `url` is that of the role `postgres`. A missing folder is an empty one. Throws `LocalStackError`
 * `migration_failed` naming file, line and statement, and applied files that have changed since; the failed migration leaves
 * nothing, those before it stay. `extension_missing`, before anything is applied, names the extensions that this server does not
 * have, unless `onSkipped` is given: then it hears of the statements that are left out.
 */
export async function applyMigrations(
  options: { url: string; directory: string } & ScriptOptions,
): Promise<string[]> {
  const files = (await listFiles(options.directory)).filter((file) => MIGRATION_NAME.test(file)).sort();
  const sql = postgres(options.url, { max: 1, onnotice: () => {} });
  try {
    await sql
      .unsafe(`
      create schema if not exists supabase_migrations;
      create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
      alter table supabase_migrations.schema_migrations add column if not exists statements text[];
      alter table supabase_migrations.schema_migrations add column if not exists name text;
    `)
      .simple();
    const rows = await sql<{ version: string }[]>`select version from supabase_migrations.schema_migrations`;
    const applied = new Set(rows.map(({ version }) => version));
    const pending = files.filter((file) => !applied.has(versionOf(file)));
    const scripts = await Promise.all(
      pending.map(async (file) => {
        const script = await readFile(join(options.directory, file), 'utf8');
        return { file, script, statements: splitStatements(script) };
      }),
    );
    const available = await readAvailable(sql);
    if (options.onSkipped === undefined) refuseMissing(scripts, available);
    for (const { file, script, statements } of scripts) {
      const [, version = '', name = ''] = MIGRATION_NAME.exec(file) ?? [];
      // What a migration has set for its session is not for the next one, as under the Supabase CLI.
      await sql`reset all`;
      const applying = sql.begin(async (transaction) => {
        await runScript(transaction, { file, script, statements }, available, options);
        const texts = statements.map(({ text }) => text);
        await transaction`
          insert into supabase_migrations.schema_migrations (version, name, statements)
          values (${version}, ${name}, ${texts})
        `;
      });
      await applying.catch(async (error) => {
        throw await withChangedFiles(error, options.directory, files, applied, sql);
      });
    }
    return pending;
  } finally {
    await sql.end();
  }
}

const versionOf = (file: string): string => MIGRATION_NAME.exec(file)?.[1] ?? '';

/** Says of a migration that failed that the files before it are not those that were applied, which is likely why. */
async function withChangedFiles(
  error: unknown,
  directory: string,
  files: string[],
  applied: Set<string>,
  sql: postgres.Sql,
): Promise<unknown> {
  if (!(error instanceof LocalStackError)) return error;
  const changed: string[] = [];
  for (const file of files) {
    // A megabyte of statements, which a start that goes well need not read.
    const [before] = await sql<{ statements: string }[]>`
      select array_to_string(statements, ';') as statements
      from supabase_migrations.schema_migrations where version = ${versionOf(file)} and statements is not null`;
    if (!before) continue;
    const now = splitStatements(await readFile(join(directory, file), 'utf8')).map(({ text }) => text);
    if (now.join(';') !== before.statements) changed.push(file);
  }
  const gone = [...applied].filter((version) => !files.some((file) => versionOf(file) === version));
  if (changed.length + gone.length === 0) return error;
  const more = [
    ...(changed.length > 0 ? [`\n  Changed since they were applied here: ${changed.join(', ')}`] : []),
    ...(gone.length > 0 ? [`\n  Applied here, and no longer among the files: ${gone.join(', ')}`] : []),
    '\n  To start over with an empty database: start with --reset',
  ].join('');
  return new LocalStackError(error.code, error.message + more, { cause: error.cause });
}

/** Runs one seed file in one transaction; returns whether there was one. Errors as of `applyMigrations`. */
export async function applySeed(options: { url: string; file: string } & ScriptOptions): Promise<boolean> {
  const { file } = options;
  const script = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (script === undefined) return false;
  const sql = postgres(options.url, { max: 1, onnotice: () => {} });
  try {
    const available = await readAvailable(sql);
    const statements = splitStatements(script);
    await sql.begin((transaction) =>
      runScript(transaction, { file, script, statements }, available, options),
    );
    return true;
  } finally {
    await sql.end();
  }
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

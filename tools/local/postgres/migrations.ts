import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { LocalStackError } from '../local-stack-error.ts';
import { type Statement, splitStatements } from './split-statements.ts';

// The names `supabase migration up` takes for migrations; others it skips, and so do we.
const MIGRATION_NAME = /^(\d+)_(.*)\.sql$/;

/**
 * Applies the migrations `<timestamp>_<name>.sql` of a folder that are not yet recorded in
 * `supabase_migrations.schema_migrations`, in order, each in a transaction of its own; returns their file names.
 *
 * The record is the Supabase CLI's (2.117), so `supabase migration up` afterwards finds nothing to do, and the other
 * way round. `url` is that of the role `postgres`. A missing folder is an empty one. Throws `LocalStackError`
 * `migration_failed` naming file and line, and applied files that have changed since; the failed migration leaves nothing,
 * those before it stay.
 */
export async function applyMigrations(options: { url: string; directory: string }): Promise<string[]> {
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
    for (const file of pending) {
      const [, version = '', name = ''] = MIGRATION_NAME.exec(file) ?? [];
      const script = await readFile(join(options.directory, file), 'utf8');
      const applying = sql.begin(async (transaction) => {
        const statements = await runScript(transaction, file, script);
        await transaction`
          insert into supabase_migrations.schema_migrations (version, name, statements)
          values (${version}, ${name}, ${statements})
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
    '\n  To start over with an empty database: npm run dev -- --reset',
  ].join('');
  return new LocalStackError(error.code, error.message + more, { cause: error.cause });
}

/** Runs one seed file in one transaction; returns whether there was one. Errors as of `applyMigrations`. */
export async function applySeed(options: { url: string; file: string }): Promise<boolean> {
  const script = await readFile(options.file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (script === undefined) return false;
  const sql = postgres(options.url, { max: 1, onnotice: () => {} });
  try {
    await sql.begin((transaction) => runScript(transaction, options.file, script));
    return true;
  } finally {
    await sql.end();
  }
}

/** Statement by statement, because most errors carry no position: then at least the statement's line is known. */
async function runScript(sql: postgres.TransactionSql, file: string, script: string): Promise<string[]> {
  const statements = splitStatements(script);
  for (const statement of statements) {
    try {
      await sql.unsafe(statement.text).simple();
    } catch (error) {
      throw error instanceof postgres.PostgresError ? migrationError(error, file, script, statement) : error;
    }
  }
  return statements.map(({ text }) => text);
}

function migrationError(
  error: postgres.PostgresError,
  file: string,
  script: string,
  { text, offset, codeOffset }: Statement,
): LocalStackError {
  // Postgres counts code points from 1.
  const position = error.position === undefined ? undefined : Number(error.position) - 1;
  const within = position === undefined ? undefined : [...text].slice(0, position).join('').length;
  const line = script.slice(0, within === undefined ? codeOffset : offset + within).split('\n').length;
  const more = [error.detail, error.hint, error.where].filter(Boolean).map((part) => `\n  ${part}`);
  return new LocalStackError(
    'migration_failed',
    `${file}:${line}: ${error.message} (SQLSTATE ${error.code})${more.join('')}`,
    { cause: error },
  );
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type postgres from 'postgres';
import { SupapushError } from '../shared/errors.ts';
import { tlsFault, tlsOf } from './database-tls.ts';
import { databaseUrlOf } from './database-url.ts';
import { defaultEnvironmentFile, parseEnvironmentFile, readEnvironmentFile } from './environment-file.ts';
import { reasonOf } from './run-command.ts';

/** Reads a setting: from the environment, or else from the file of the project's secrets. Empty is not set. */
export type Settings = (name: string) => string | undefined;

export function settingsOf(entries: Record<string, string>): Settings {
  return (name) => process.env[name] || entries[name];
}

/** The settings of a project. */
export async function readSettings(file: string): Promise<Settings> {
  return settingsOf(await readEntries(file));
}

/** The settings of a project that `supapush init` may have been in, wherever the command was called. */
export async function projectSettings(root: string): Promise<{ setting: Settings; named: string[] }> {
  const entries = await readEntries(join(root, defaultEnvironmentFile(root)));
  return { setting: settingsOf(entries), named: Object.keys(entries) };
}

async function readEntries(file: string): Promise<Record<string, string>> {
  return parseEnvironmentFile(await readEnvironmentFile(file));
}

/** The connection string that was given, or that of `SUPABASE_DB_URL`; undefined where there is none. Throws `usage`. */
export function knownDatabaseUrl(given: string | undefined, setting: Settings): string | undefined {
  const url = given ?? setting('SUPABASE_DB_URL');
  return url === undefined || url === '' ? undefined : databaseUrlOf(url);
}

/** As `knownDatabaseUrl()`; throws `usage` where there is none. */
export function requiredDatabaseUrl(given: string | undefined, setting: Settings): string {
  const url = knownDatabaseUrl(given, setting);
  if (url === undefined) throw new SupapushError('usage', 'Give --database-url, or set SUPABASE_DB_URL.');
  return url;
}

/**
 * Runs `work` with one connection, which is closed after it, and encrypted as `tlsOf()` says. What the database lacks of Supapush is
 * said in words.
 */
export async function withDatabase<T>(
  databaseUrl: string,
  work: (sql: postgres.Sql) => Promise<T>,
): Promise<T> {
  const { url, tls } = tlsOf(databaseUrl, process.env);
  const { default: connect } = await import('postgres');
  const sql = connect(url, { max: 1, connect_timeout: 15, onnotice: () => {}, ssl: tls });
  try {
    return await work(sql);
  } catch (error) {
    throw inWords(error, databaseUrl);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** An error of a database with what to do about it, where that is known. */
export function inWords(error: unknown, databaseUrl: string): unknown {
  const { code, hint } = { ...(error as { code?: string; hint?: string }) };
  const fault = tlsFault(error, tlsOf(databaseUrl, process.env).tls);
  if (fault !== undefined) return new Error(`${reasonOf(error)}. ${fault}`, { cause: error });
  if (code === '3F000') {
    return new Error('This database does not have Supapush yet. Run: npx supabase db push', { cause: error });
  }
  // A function, a table or a column that it lacks.
  if (code === '42883' || code === '42P01' || code === '42703') {
    return new Error(
      `This database does not have the Supapush of this version (${reasonOf(error)}). Run: npx supabase db push`,
      { cause: error },
    );
  }
  // What push.refuse() raised.
  if (code?.startsWith('PT') && error instanceof Error)
    return new Error(`${error.message} ${hint ?? ''}`.trimEnd(), { cause: error });
  return error;
}

/** The address of the project that `supabase link` chose; undefined where it has not. */
export async function linkedProjectUrl(folder = '.'): Promise<string | undefined> {
  const path = join(folder, 'supabase/.temp/project-ref');
  const reference = (await readFile(path, 'utf8').catch(() => '')).trim();
  return /^[a-z]{20}$/.test(reference) ? `https://${reference}.supabase.co` : undefined;
}

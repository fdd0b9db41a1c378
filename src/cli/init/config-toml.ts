import { isDeepStrictEqual } from 'node:util';
import { parse } from 'smol-toml';
import { withLines } from './change.ts';
import { InitRefusal } from './refusal.ts';
import type { ReleasedFunction } from './release.ts';

type Table = Record<string, unknown>;

/**
 * The text of `config.toml` with the sections of our functions at its end; all else stays as it is, to the byte.
 *
 * Throws `config_refused` where a person has to decide: it is no TOML, one of these functions demands a user's token, or its
 * functions are written in a way that has no place for another.
 */
export function withFunctions(text: string, functions: readonly ReleasedFunction[]): string {
  const before = read(text);
  const there = tableOf(before.functions);
  const missing = functions.filter(({ name }) => !(name in there));
  for (const { name } of functions) {
    if (name in there && tableOf(there[name]).verify_jwt !== false) {
      throw new InitRefusal(
        'config_refused',
        `supabase/config.toml has [functions.${name}] without verify_jwt = false: the database calls it with a secret of its own, ` +
          'which the platform would refuse. Add the line, and run init again.',
      );
    }
  }
  if (missing.length === 0) return text;
  const sections = missing.map(({ section }) => `\n${section}`).join('\n');
  const patched = withLines(text, sections);
  if (!isPatched(before, patched, missing)) {
    throw new InitRefusal(
      'config_refused',
      `The functions of supabase/config.toml are not written as sections. Add these yourself, and run init again:\n${sections.trim()}`,
    );
  }
  return patched;
}

/** What of `config.toml` keeps Supapush from working, in words; it is the app's to change. */
export function faultsOf(text: string): string[] {
  const { schemas } = tableOf(read(text).api);
  return Array.isArray(schemas) && !schemas.includes('public')
    ? [
        '[api] schemas of supabase/config.toml leaves out "public", where the tables and functions for your app are: add it.',
      ]
    : [];
}

/** Whether `config.toml` names files that declare the schema, from which `supabase db diff` makes migrations. */
export function declaresSchema(text: string): boolean {
  const paths = tableOf(tableOf(read(text).db).migrations).schema_paths;
  return Array.isArray(paths) && paths.length > 0;
}

function isPatched(before: Table, patched: string, missing: readonly ReleasedFunction[]): boolean {
  const own = Object.fromEntries(missing.map(({ name }) => [name, { verify_jwt: false }]));
  try {
    return isDeepStrictEqual(
      plain(parse(patched)),
      plain({ ...before, functions: { ...tableOf(before.functions), ...own } }),
    );
  } catch {
    return false;
  }
}

function read(text: string): Table {
  try {
    return parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InitRefusal('config_refused', `supabase/config.toml cannot be read: ${reason}`, { cause });
  }
}

function tableOf(value: unknown): Table {
  return typeof value === 'object' && value !== null ? (value as Table) : {};
}

/** Parsed tables have no prototype, others do. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

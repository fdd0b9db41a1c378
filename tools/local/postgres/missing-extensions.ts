import type { Sql } from 'postgres';
import { LocalStackError } from '../local-stack-error.ts';
import { codeOf, createdExtension } from './extension-statements.ts';
import type { Script } from './run-script.ts';

/** The extensions that a server has, created or not. */
export async function readAvailable(sql: Sql): Promise<ReadonlySet<string>> {
  const rows = await sql<{ name: string }[]>`select name from pg_catalog.pg_available_extensions`;
  return new Set(rows.map(({ name }) => name));
}

/** Throws `LocalStackError` `extension_missing`, which names every extension that scripts create and a server does not have. */
export function refuseMissing(scripts: readonly Script[], available: ReadonlySet<string>): void {
  const missing = new Map<string, string[]>();
  for (const { file, script, statements } of scripts) {
    for (const statement of statements) {
      const name = createdExtension(codeOf(statement));
      if (name === undefined || available.has(name)) continue;
      const line = script.slice(0, statement.codeOffset).split('\n').length;
      missing.set(name, [...(missing.get(name) ?? []), `${file}:${line}`]);
    }
  }
  if (missing.size === 0) return;
  const width = Math.max(...[...missing.keys()].map((name) => name.length));
  const lines = [...missing].map(([name, places]) => `  ${name.padEnd(width)}  ${places.join(', ')}`);
  throw new LocalStackError(
    'extension_missing',
    [
      'The local PostgreSQL does not have these extensions, which migrations create:',
      ...lines,
      'None of the new migrations was applied. To leave out these statements, and every one that names something that is not there: --skip-missing',
      'Where they are needed, run the project with Docker (npx supabase start) or on a branch of the hosted one.',
    ].join('\n'),
  );
}

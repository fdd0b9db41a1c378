import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { uninstallSql } from '../../src/cli/uninstall/uninstall-sql.ts';

const MIGRATIONS = fileURLToPath(new URL('../../supabase/migrations/', import.meta.url));

/** All that this repository's migrations make, as one text. */
export async function schemaMigration(): Promise<string> {
  const names = (await readdir(MIGRATIONS)).sort();
  return (await Promise.all(names.map((name) => readFile(join(MIGRATIONS, name), 'utf8')))).join('\n');
}

/** Runs what `supapush uninstall` writes, as the role `postgres`; resolves to what Postgres says on the way. */
export async function uninstall(url: string, { lockTimeout = '0' } = {}): Promise<string[]> {
  const notices: string[] = [];
  const sql = postgres(url, {
    max: 1,
    connection: { lock_timeout: lockTimeout as never },
    onnotice: ({ message }) => notices.push(message ?? ''),
  });
  try {
    await sql
      .unsafe(
        uninstallSql({ version: '0.1.0', migrations: [{ version: '0.1.0', sql: await schemaMigration() }] }),
      )
      .simple();
    return notices;
  } finally {
    await sql.end();
  }
}

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { applyMigrations } from '../local/postgres/migrations.ts';
import type { PostgresServer } from '../local/postgres/postgres-server.ts';
import { runSupabase, type SupabaseCliOptions, withoutTls } from './supabase-cli.ts';

/** Applies a project's migrations by `supabase migration up`: every file has to be taken. Returns what is wrong. */
export async function migrateWithCli(server: PostgresServer, cli: SupabaseCliOptions): Promise<string[]> {
  const { exitCode, output } = await migrationUp(server, cli);
  if (exitCode !== 0) return [`supabase migration up failed:\n${output.trim()}`];
  const applied = new Set(appliedFiles(output));
  const files = (await readdir(join(cli.project, 'supabase', 'migrations'))).sort();
  const warnings = output.split('\n').filter((line) => /\bWARN/.test(line));
  return [
    ...warnings,
    ...files.filter((file) => !applied.has(file)).map((file) => `${file} was not applied`),
  ];
}

/** A second run, by the CLI as by our own runner, which keeps the same record, has to find nothing to do. */
export async function migrateAgain(server: PostgresServer, cli: SupabaseCliOptions): Promise<string[]> {
  const { exitCode, output } = await migrationUp(server, cli);
  if (exitCode !== 0) return [`supabase migration up failed:\n${output.trim()}`];
  const directory = join(cli.project, 'supabase', 'migrations');
  const ours = await applyMigrations({ url: server.url(), directory });
  return [
    ...appliedFiles(output).map((file) => `${file} was applied a second time by the Supabase CLI`),
    ...ours.map((file) => `${file} was applied a second time by the local stack`),
  ];
}

function migrationUp(server: PostgresServer, cli: SupabaseCliOptions) {
  return runSupabase(['migration', 'up', '--db-url', withoutTls(server.url())], cli);
}

function appliedFiles(output: string): string[] {
  return [...output.matchAll(/^Applying migration (\S+\.sql)/gm)].map(([, file = '']) => file);
}

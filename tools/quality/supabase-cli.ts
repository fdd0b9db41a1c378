import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { basicEnvironment, type ProgramResult, runProgram } from './run-program.ts';

export interface SupabaseCliOptions {
  /** The folder with `supabase/` in it. */
  project: string;
  /** Stands in for the user's home: no login, profile or setting of theirs is read. */
  home: string;
  environment?: Record<string, string>;
  onLine?: (line: string) => void;
}

/** Runs the Supabase CLI of this project's `package-lock.json`. */
export function runSupabase(args: string[], options: SupabaseCliOptions): Promise<ProgramResult> {
  return runProgram(process.execPath, [supabaseScript(), ...args, '--agent', 'no'], {
    cwd: options.project,
    environment: { ...isolatedEnvironment(options.home), ...options.environment },
    ...(options.onLine && { onLine: options.onLine }),
  });
}

/** The environment of a Supabase CLI that knows nothing about the user and reports nothing. */
export function isolatedEnvironment(home: string): Record<string, string> {
  return {
    ...basicEnvironment(),
    HOME: home,
    XDG_CONFIG_HOME: join(home, '.config'),
    SUPABASE_TELEMETRY_DISABLED: '1',
    NO_COLOR: '1',
  };
}

/** The URL as the CLI takes it for a server without TLS, which a local one is. */
export function withoutTls(databaseUrl: string): string {
  return `${databaseUrl}?sslmode=disable`;
}

function supabaseScript(): string {
  const manifest = createRequire(import.meta.url).resolve('supabase/package.json');
  return join(dirname(manifest), 'dist', 'supabase.js');
}

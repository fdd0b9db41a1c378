import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import type { LocalConfig } from '../local-config.ts';

/** What the stack makes for itself: its push service knows no other key, and its database rings with no other secret. */
const OWN = ['VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY', 'PUSH_BELL_SECRET', 'FCM_SERVICE_ACCOUNT'];

export interface FunctionSecrets {
  secrets: Record<string, string>;
  /** What was not taken, in words. */
  notes: string[];
}

/**
 * The secrets of a project's functions, as `supabase functions serve` has them: those of `[edge_runtime.secrets]` in `config.toml`, and
 * over them those of `supabase/functions/.env`.
 */
export async function readFunctionSecrets(config: LocalConfig): Promise<FunctionSecrets> {
  const file = join(config.supabaseDirectory, 'functions/.env');
  const ofFile = parseEnv(await readFile(file, 'utf8').catch(missing));
  const ofProject = parseEnv(await readFile(join(config.projectDirectory, '.env'), 'utf8').catch(missing));
  const unset: string[] = [];
  const ofConfig = Object.entries(config.functionSecrets).flatMap(([name, written]) => {
    const [, variable] = /^env\((\w+)\)$/.exec(written) ?? [];
    const value = variable === undefined ? written : (process.env[variable] ?? ofProject[variable]);
    if (value === undefined) unset.push(`${name} (${written})`);
    return value === undefined ? [] : [[name, value] as const];
  });
  const all = Object.entries({ ...Object.fromEntries(ofConfig), ...ofFile }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const reserved = all.map(([name]) => name).filter((name) => name.startsWith('SUPABASE_'));
  return {
    secrets: Object.fromEntries(all.filter(([name]) => !name.startsWith('SUPABASE_') && !OWN.includes(name))),
    notes: [
      ...(reserved.length === 0
        ? []
        : [
            `Names that begin with SUPABASE_ are the platform's: ${reserved.join(', ')} of functions/.env is not used.`,
          ]),
      ...(unset.length === 0
        ? []
        : [`[edge_runtime.secrets] names variables that are not set: ${unset.join(', ')}.`]),
    ],
  };
}

function missing(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw error;
}

import { existsSync } from 'node:fs';
import { realpath, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { readOr } from './init/read-text.ts';
import { BUNDLE_NAME } from './init/release.ts';

/** Where `supapush init` has been: a file of its own, as `secrets set --env-file .env` would upload an app's other secrets as well. */
export const SECRETS_FILE = 'supabase/functions/.env.supapush';

/** Where the secrets are without `supapush init`, and in a project where they were made before it. */
export const EARLIER_FILE = '.env';

/** The file that commands use where none is named, as seen from the folder with `supabase/` in it. */
export function defaultEnvironmentFile(folder = '.'): string {
  return existsSync(join(folder, 'supabase/functions/push-dispatch', BUNDLE_NAME))
    ? SECRETS_FILE
    : EARLIER_FILE;
}

/** The non-empty entries of a .env file. */
export function parseEnvironmentFile(text: string): Record<string, string> {
  // After "A= " Node takes the next line for the value of A, and a key that stands there would seem not to exist.
  const entries = Object.entries(parseEnv(text.replace(/=[ \t]+$/gm, '=')));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => Boolean(entry[1])));
}

/** The text of a .env file; nothing when there is none. One that is there and cannot be read is an error. */
export async function readEnvironmentFile(path: string): Promise<string> {
  return (await readOr(path)) ?? '';
}

/** The text with these entries: in place of their old or empty lines, or at the end. */
export function setEntries(text: string, entries: Record<string, string>): string {
  let written = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  for (const [name, value] of Object.entries(entries)) {
    // All lines of a name, as it is the last that counts; a value in quotes, such as a key in PEM, may have several.
    const lines = new RegExp(`^${name}=(?:"[^"]*"|'[^']*'|.*)$`, 'gm');
    const replaced = written.replace(lines, () => `${name}=${value}`);
    written = written.search(lines) >= 0 ? replaced : `${written}${name}=${value}\n`;
  }
  return written;
}

/** For the owner's eyes alone, whatever the old file allowed; and in one step, as the keys in it exist nowhere else. */
export async function replaceEnvironmentFile(file: string, text: string): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const draft = `${target}.${process.pid}.tmp`;
  await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
  await rename(draft, target);
}

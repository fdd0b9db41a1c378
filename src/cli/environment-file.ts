import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';

/** The non-empty entries of a .env file. */
export function parseEnvironmentFile(text: string): Record<string, string> {
  const entries = Object.entries(parseEnv(text));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => Boolean(entry[1])));
}

/** The text of a .env file; nothing when there is none. One that is there and cannot be read is an error. */
export async function readEnvironmentFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

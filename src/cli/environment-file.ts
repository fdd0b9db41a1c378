import { parseEnv } from 'node:util';

/** The non-empty entries of a .env file. */
export function parseEnvironmentFile(text: string): Record<string, string> {
  const entries = Object.entries(parseEnv(text));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => Boolean(entry[1])));
}

import { isAbsolute, relative } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { SupapushError } from '../shared/errors.ts';
import type { Change } from './init/change.ts';

/** One line for each change with why it is made, paths as seen from where the command was called. */
export function changeLines(changes: readonly Change[], calledIn: string): string[] {
  return changes.map(
    ({ path, kind, why }) => `  ${kind.padEnd(10)}${shownPath(path, calledIn)}\n            ${why}`,
  );
}

export function shownPath(path: string, calledIn: string): string {
  const shown = relative(calledIn, path);
  return isAbsolute(shown) ? path : shown;
}

/** Asks at the terminal, yes or no. Throws `usage` where there is none. */
export async function isWanted(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new SupapushError(
      'usage',
      'There is no terminal to ask at. Give --yes to write, or --dry-run to see what would be written.',
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} (y/N) `)).trim());
  } finally {
    terminal.close();
  }
}

import { isAbsolute, relative } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { SupapushError } from '../shared/errors.ts';
import type { Change } from './init/change.ts';
import type { Project } from './init/find-project.ts';
import { type Settled, settleInterrupted } from './init/interrupted-run.ts';

/** The options of every command that writes files of a project. */
export const WRITE_OPTIONS = {
  yes: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  public: { type: 'string' },
  workdir: { type: 'string' },
} as const;

/** Throws `usage` where JSON is wanted and a question would have to be asked. */
export function refuseToAsk({
  yes,
  json,
  'dry-run': dry,
}: {
  yes: boolean;
  json: boolean;
  'dry-run': boolean;
}): void {
  if (json && !yes && !dry)
    throw new SupapushError('usage', '--json asks nothing: give --yes or --dry-run with it.');
}

/**
 * Takes back what a run before this one was killed at, and says so on standard error at once: it is done, and left to the person,
 * whatever becomes of this run.
 */
export function settle(project: Project, dry: boolean): Settled {
  const settled = settleInterrupted(project, dry);
  const lines = [...settled.said, ...todoLines(settled.left, [])];
  if (lines.length > 0) process.stderr.write(`${lines.join('\n')}\n\n`);
  return settled;
}

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

/** A change as `--json` has it, its path below the folder of the project. */
export function changeReport({ path, kind, why }: Change, root: string) {
  return { path: relative(root, path), kind, why };
}

/** What a person has to do besides, and the commands that come next; nothing where there is none. */
export function todoLines(left: readonly string[], next: readonly string[], title = 'Next:'): string[] {
  return [
    ...(left.length === 0 ? [] : ['', 'Left to you:', ...left.map((line) => `  - ${line}`)]),
    ...(next.length === 0 ? [] : ['', title, ...next.map((line, index) => `  ${index + 1}. ${line}`)]),
  ];
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

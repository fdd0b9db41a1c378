import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SECRETS_FILE } from '../environment-file.ts';
import type { Project } from './find-project.ts';
import type { Release } from './release.ts';

/** How packages' commands are called, by the lock file that a repository has. */
const RUNNERS: [lockFile: string, runner: string][] = [
  ['pnpm-lock.yaml', 'pnpm exec'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bunx'],
  ['bun.lockb', 'bunx'],
];

/** The three commands that bring what was written to the hosted project, as they are called in this one. */
export function nextSteps(project: Project, release: Release, calledIn: string): string[] {
  const lock = RUNNERS.find(
    ([file]) => existsSync(join(project.repository, file)) || existsSync(join(project.root, file)),
  );
  const run = lock?.[1] ?? 'npx';
  const folder = relative(calledIn, project.root);
  const names = release.functions.map(({ name }) => name).join(' ');
  return [
    `${folder === '' ? '' : `cd ${quoted(folder)} && `}${run} supapush secrets --subject mailto:you@example.com`,
    `npx supabase db push && npx supabase secrets set --env-file ${SECRETS_FILE} && npx supabase functions deploy ${names} --use-api`,
    `${run} supapush connect --database-url 'postgresql://postgres:…'`,
  ];
}

/** A path as a shell takes it for a word: in single quotes where it has signs that a shell may read in another way. */
export function quoted(path: string): string {
  // Behind a dash, cd would look for options.
  const word = path.startsWith('-') ? `./${path}` : path;
  return /^[A-Za-z0-9_./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

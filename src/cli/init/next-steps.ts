import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SECRETS_FILE } from '../environment-file.ts';
import type { Project } from './find-project.ts';
import type { Release } from './release.ts';

/** How a package's commands are called, and how it is removed. */
interface Calls {
  run: string;
  remove: string;
}

const NPM: Calls = { run: 'npx', remove: 'npm uninstall' };
const BUN: Calls = { run: 'bunx', remove: 'bun remove' };
/** By the lock file that a repository has. */
const CALLS: [lockFile: string, calls: Calls][] = [
  ['pnpm-lock.yaml', { run: 'pnpm exec', remove: 'pnpm remove' }],
  ['yarn.lock', { run: 'yarn', remove: 'yarn remove' }],
  ['bun.lock', BUN],
  ['bun.lockb', BUN],
];

/** The words of the package manager that a project has. */
export function callsOf({ repository, root }: Project): Calls {
  const found = CALLS.find(([file]) => existsSync(join(repository, file)) || existsSync(join(root, file)));
  return found?.[1] ?? NPM;
}

/** The three commands that bring what was written to the hosted project, as they are called in this one. */
export function nextSteps(project: Project, release: Release, calledIn: string): string[] {
  const { run } = callsOf(project);
  return [
    `${goTo(project, calledIn)}${run} supapush secrets --subject mailto:you@example.com`,
    `npx supabase db push && npx supabase secrets set --env-file ${SECRETS_FILE} && ${deploy(release)}`,
    `${run} supapush connect --database-url 'postgresql://postgres:…'`,
  ];
}

/** The commands that bring another release to the hosted project: the database first, whose schema serves the functions of both. */
export function deploySteps(project: Project, release: Release, calledIn: string): string[] {
  return [`${goTo(project, calledIn)}npx supabase db push`, deploy(release)];
}

function goTo(project: Project, calledIn: string): string {
  const folder = relative(calledIn, project.root);
  return folder === '' ? '' : `cd ${quoted(folder)} && `;
}

function deploy({ functions }: Release): string {
  return `npx supabase functions deploy ${functions.map(({ name }) => name).join(' ')} --use-api`;
}

/** A path as a shell takes it for a word: in single quotes where it has signs that a shell may read in another way. */
export function quoted(path: string): string {
  // Behind a dash, cd would look for options.
  const word = path.startsWith('-') ? `./${path}` : path;
  return /^[A-Za-z0-9_./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

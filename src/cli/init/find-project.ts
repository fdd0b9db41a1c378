import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { InitRefusal } from './refusal.ts';

/** Where a Supabase project is. Paths are absolute. */
export interface Project {
  /** The folder with `supabase/` in it. */
  root: string;
  /** The folder that everything of the repository is in, as far as one can tell: where `.git` is, or where the command was called. */
  repository: string;
}

const DEPTH = 3;
const LEFT_OUT = new Set(['node_modules', 'dist', 'build', 'vendor']);

/**
 * Finds the project with `supabase/config.toml`: in the folder itself, above it, or, as in `apps/database/supabase`, below it.
 *
 * Throws `project_not_found`, which says what to do, also where there are several.
 */
export async function findProject(folder: string): Promise<Project> {
  const start = resolve(folder);
  const root = above(start) ?? (await below(start));
  return { root, repository: repositoryOf(start, root) };
}

function isProject(folder: string): boolean {
  return existsSync(join(folder, 'supabase/config.toml'));
}

function above(start: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    if (isProject(folder)) return folder;
    // Beyond the repository there are other people's projects.
    if (existsSync(join(folder, '.git')) || dirname(folder) === folder) return undefined;
  }
}

async function below(start: string): Promise<string> {
  const found = (await foldersBelow(start, DEPTH)).filter(isProject);
  const [root, ...others] = found;
  if (root === undefined) {
    throw new InitRefusal(
      'project_not_found',
      `There is no supabase/config.toml in ${start}, nor above or below it. Go to your project, or make one: npx supabase init`,
    );
  }
  if (others.length > 0) {
    const names = found.map((one) => relative(start, one)).join(', ');
    throw new InitRefusal(
      'project_not_found',
      `There are several Supabase projects: ${names}. Say which one: --workdir <folder>`,
    );
  }
  return root;
}

/** Folders that may hold a project or an app, nearest first, without what tools make. */
export async function foldersBelow(start: string, depth: number): Promise<string[]> {
  if (depth === 0) return [];
  const entries = await readdir(start, { withFileTypes: true }).catch(() => []);
  const own = entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !LEFT_OUT.has(entry.name))
    .map(({ name }) => join(start, name))
    .sort();
  const deeper = await Promise.all(own.map((folder) => foldersBelow(folder, depth - 1)));
  return [...own, ...deeper.flat()];
}

function repositoryOf(start: string, root: string): string {
  for (let folder = root; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.git'))) return folder;
    if (dirname(folder) === folder) break;
  }
  const calledAbove = !relative(start, root).startsWith('..') && basename(start) !== 'supabase';
  return calledAbove ? start : root;
}

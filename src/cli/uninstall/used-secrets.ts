import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { foldersBelow, type Project } from '../init/find-project.ts';
import { readIfReadable } from '../init/read-text.ts';
import type { Release } from '../init/release.ts';

const DEPTH = 8;
const SOURCE = /\.[cm]?[jt]sx?$/;

/**
 * Which of these secrets the app's own Edge Functions name, each with a file that does: one that Supapush needs no longer, another
 * function may. Sources that lie elsewhere in the repository count where they read the environment of Deno.
 */
export async function usedSecrets(
  { root, repository }: Project,
  { functions }: Pick<Release, 'functions'>,
  names: readonly string[],
): Promise<Map<string, string>> {
  const home = join(root, 'supabase/functions');
  const ours = new Set(functions.map(({ name }) => join(home, name)));
  const folders = [home, ...(await foldersBelow(home, DEPTH)), ...(await foldersBelow(repository, DEPTH))];
  const used = new Map<string, string>();
  for (const folder of new Set(folders)) {
    if (ours.has(folder)) continue;
    const isFunctions = folder === home || !/^\.\.($|[/\\])/.test(relative(home, folder));
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      if (!entry.isFile() || !SOURCE.test(entry.name)) continue;
      const path = join(folder, entry.name);
      const text = (await readIfReadable(path)) ?? '';
      if (!isFunctions && !text.includes('Deno.env')) continue;
      for (const name of names)
        if (!used.has(name) && new RegExp(`\\b${name}\\b`).test(text))
          used.set(name, relative(repository, path));
    }
  }
  return used;
}

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type Change, planFile } from './change.ts';
import type { Project } from './find-project.ts';
import { readOr } from './read-text.ts';
import { InitRefusal } from './refusal.ts';
import { BUNDLE_NAME, type Release, type ReleasedFunction } from './release.ts';
import { DRAFT } from './write-changes.ts';

/** What the folder of an Edge Function has. */
export function filesOf({
  name,
  bundle,
  entrypoint,
}: Pick<ReleasedFunction, 'name' | 'bundle' | 'entrypoint'>): { name: string; text: string; why: string }[] {
  return [
    { name: 'index.ts', text: entrypoint, why: `serves ${name}; yours to change` },
    { name: BUNDLE_NAME, text: bundle, why: `${name} with all that it imports` },
    { name: 'deno.json', text: '{\n  "imports": {}\n}\n', why: 'nothing to fetch from a registry' },
  ];
}

/** A folder for each Edge Function. Throws `function_taken` where the app has a function of that name. */
export async function planFunctions(project: Project, release: Release): Promise<Change[]> {
  const changes: Change[] = [];
  for (const one of release.functions) {
    const folder = join(project.root, 'supabase/functions', one.name);
    const index = await readOr(join(folder, 'index.ts'));
    const served = await readOr(join(folder, BUNDLE_NAME));
    if (served === null && (await hasFiles(folder)) && !index?.includes(BUNDLE_NAME)) {
      throw new InitRefusal(
        'function_taken',
        `${relative(project.repository, folder)} is there, and is not Supapush's. The database calls its functions by name: give yours another, and run init again.`,
      );
    }
    for (const { name: file, text, why } of filesOf(one)) {
      const path = join(folder, file);
      changes.push(planFile(path, await readOr(path), text, why));
    }
  }
  return changes;
}

/** Whether there is more in a folder than the drafts that an interrupted run leaves behind. */
async function hasFiles(folder: string): Promise<boolean> {
  const names = existsSync(folder) ? await readdir(folder) : [];
  return names.some((name) => !name.endsWith(DRAFT));
}

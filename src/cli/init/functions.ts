import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type Change, planFile } from './change.ts';
import type { Project } from './find-project.ts';
import { InitRefusal } from './refusal.ts';
import type { Release } from './release.ts';

const BUNDLE = 'supapush.js';

/** A folder for each Edge Function. Throws `function_taken` where the app has a function of that name. */
export async function planFunctions(project: Project, release: Release): Promise<Change[]> {
  const changes: Change[] = [];
  for (const { name, bundle, entrypoint } of release.functions) {
    const folder = join(project.root, 'supabase/functions', name);
    const index = await readOr(join(folder, 'index.ts'));
    const served = await readOr(join(folder, BUNDLE));
    if (existsSync(folder) && served === null && !index?.includes(BUNDLE)) {
      throw new InitRefusal(
        'function_taken',
        `${relative(project.repository, folder)} is there, and is not Supapush's. The database calls its functions by name: give yours another, and run init again.`,
      );
    }
    changes.push(
      planFile(join(folder, 'index.ts'), index, entrypoint, `serves ${name}; yours to change`),
      planFile(join(folder, BUNDLE), served, bundle, `${name} with all that it imports`),
      planFile(
        join(folder, 'deno.json'),
        await readOr(join(folder, 'deno.json')),
        '{\n  "imports": {}\n}\n',
        'nothing to fetch from a registry',
      ),
    );
  }
  return changes;
}

/** The text of a file, or null where there is none. */
export async function readOr(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

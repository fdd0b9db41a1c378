import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { type Plan, type PlanOptions, planInit } from '../../../../src/cli/init/plan.ts';
import type { Release } from '../../../../src/cli/init/release.ts';

/** A small release: two functions, a schema of three objects. */
export function released(changes: Partial<Release> = {}): Release {
  const functionOf = (name: string) => ({
    name: `push-${name}`,
    bundle: `export const serve = () => '${name}';\n`,
    entrypoint: `import { serve } from './supapush.js';\nDeno.serve(serve);\n`,
    section: `# why ${name}\n[functions.push-${name}]\nverify_jwt = false`,
  });
  return {
    version: '0.1.0',
    migrations: [
      {
        version: '0.1.0',
        sql: 'create schema push;\ncreate table public.push_quotes ();\ncreate function public.push_tell() returns void;\n',
      },
    ],
    functions: [functionOf('one'), functionOf('two')],
    worker: '/* eslint-disable -- the service worker of supapush */\nself;\n',
    ...changes,
  };
}

export const NOW = new Date('2026-11-29T12:00:00Z');

/** A folder with an app in it; the text of each file by its path. */
export interface LookAlike {
  folder: string;
  read(): Promise<Record<string, string>>;
  write(path: string, text: string): Promise<void>;
  plan(options?: Partial<PlanOptions> & { in?: string; release?: Release }): Promise<Plan>;
}

export const CONFIG = 'project_id = "app" # mine\n';

/** Runs `work` with a folder that holds these files. */
export async function withLookAlike<T>(
  files: Record<string, string>,
  work: (app: LookAlike) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'supapush-init-'));
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  };
  try {
    for (const [path, text] of Object.entries(files)) await write(path, text);
    return await work({
      folder,
      write,
      read: () => textsOf(folder),
      plan: async ({ in: place = '.', release = released(), ...options } = {}) =>
        await planInit(await findProject(join(folder, place)), release, {
          now: NOW,
          publicFolder: undefined,
          worker: true,
          ...options,
        }),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Every file below a folder, and every folder that is empty. */
export async function textsOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const texts: Record<string, string> = {};
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length + 1);
    if (entry.isFile()) texts[name] = await readFile(path, 'utf8');
    else if ((await readdir(path)).length === 0) texts[`${name}/`] = '';
  }
  return texts;
}

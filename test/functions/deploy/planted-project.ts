import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyProject } from '../../../tools/quality/project-copy.ts';
import { withTemporaryFolder } from '../../../tools/quality/temporary-folder.ts';

export const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

export const ENTRYPOINT = 'supabase/functions/push-dispatch/index.ts';

/** A copy of what is deployed, to plant faults in. Paths are relative to the project. */
export interface PlantedProject {
  directory: string;
  /** Makes a file, or replaces it. */
  write(path: string, text: string): Promise<void>;
  prepend(path: string, text: string): Promise<void>;
  append(path: string, text: string): Promise<void>;
  /** Takes Edge Functions out, with what `config.toml` says of them. */
  removeFunctions(names: readonly string[]): Promise<void>;
}

/** Runs `work` with a copy of `supabase/`, `src/`, `tools/` and the files beside them that the gates read. */
export function withPlantedProject<T>(work: (project: PlantedProject) => Promise<T>): Promise<T> {
  return withTemporaryFolder(async (folder) => {
    const directory = join(folder, 'project');
    const parts = ['supabase', 'src', 'tools', 'deno.lock', 'package-lock.json', 'biome.json', '.gitignore'];
    for (const part of parts) {
      await copyProject(join(PROJECT, part), join(directory, part));
    }
    const write = async (path: string, text: string): Promise<void> => {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), text);
    };
    return await work({
      directory,
      write,
      prepend: async (path, text) => write(path, text + (await readFile(join(directory, path), 'utf8'))),
      append: (path, text) => appendFile(join(directory, path), text),
      async removeFunctions(names) {
        const config = join(directory, 'supabase', 'config.toml');
        let settings = await readFile(config, 'utf8');
        for (const name of names) {
          await rm(join(directory, 'supabase', 'functions', name), { recursive: true });
          settings = settings.replace(new RegExp(`^\\[functions\\.${name}\\]\\n(?:(?!\\[).*\\n?)*`, 'm'), '');
        }
        await writeFile(config, settings);
      },
    });
  });
}

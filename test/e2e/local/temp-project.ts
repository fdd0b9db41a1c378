import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The `supabase/` folder of a project of a test: path below it → content. */
export type ProjectFiles = Record<string, string>;

export interface TempProject {
  directory: string;
  write(files: ProjectFiles): Promise<void>;
  remove(): Promise<void>;
}

/** As hosted projects: what is to be reached is granted. */
const CONFIG = '[api]\nauto_expose_new_tables = false\n';

/** A project of its own, so that what is tested is the local stack and not this repository's schema. */
export async function makeProject(files: ProjectFiles = {}): Promise<TempProject> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'test-project-')));
  // mkdtemp lets only its owner in; under root, Postgres runs as another user.
  await chmod(directory, 0o755);
  const write = async (more: ProjectFiles): Promise<void> => {
    for (const [path, content] of Object.entries({ 'config.toml': CONFIG, ...more })) {
      const file = join(directory, 'supabase', path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
  };
  await write(files);
  return { directory, write, remove: () => rm(directory, { recursive: true, force: true }) };
}

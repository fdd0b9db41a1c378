import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../../../tools/quality/run-program.ts';
import { isolatedEnvironment } from '../../../tools/quality/supabase-cli.ts';
import { installPackage } from '../../support/packed-package.ts';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

/** What a registry would be asked for, and the programs among it. */
const PACKAGES = ['react', 'react-dom', 'supabase', 'typescript', 'vite'];
const PROGRAMS = {
  supabase: '../supabase/dist/supabase.js',
  tsc: '../typescript/bin/tsc',
  vite: '../vite/bin/vite.js',
};

/** What an app is made of, before Supapush. */
export interface AppParts {
  name: string;
  /** Also packages below `node_modules` that stand in for those of a registry. */
  files: Readonly<Record<string, string>>;
  /** What its `package.json` says besides its name. */
  manifest: Readonly<Record<string, unknown>>;
}

/** An app in a folder of its own. */
export interface App {
  readonly folder: string;
  write(path: string, text: string): Promise<void>;
  /** What `npm install` of the archive does, with the checkout's packages in place of a registry's. */
  install(archive: string): Promise<void>;
  /** Runs a line as its owner types it; what it printed on stdout. Rejects with all that it printed when it fails. */
  run(line: string, environment?: Record<string, string>): Promise<string>;
  git(line: string): Promise<string>;
}

/** Makes an app in `home`, in which a folder `user` stands in for the user's own. */
export async function makeApp(home: string, { name, files, manifest }: AppParts): Promise<App> {
  const folder = join(home, name);
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  };
  const link = async (): Promise<void> => {
    const modules = join(folder, 'node_modules');
    await mkdir(join(modules, '.bin'), { recursive: true });
    for (const one of await packages()) {
      await mkdir(dirname(join(modules, one)), { recursive: true });
      await symlink(join(PROJECT, 'node_modules', one), join(modules, one));
    }
    for (const [program, script] of Object.entries(PROGRAMS))
      await symlink(script, join(modules, '.bin', program));
    for (const [path, text] of Object.entries(files))
      if (path.startsWith('node_modules/')) await write(path, text);
  };
  const run: App['run'] = async (line, environment = {}) => {
    const { exitCode, stdout, output } = await runProgram('sh', ['-c', line], {
      cwd: folder,
      environment: {
        ...isolatedEnvironment(join(home, 'user')),
        npm_config_offline: 'true',
        npm_config_update_notifier: 'false',
        ...environment,
      },
    });
    if (exitCode !== 0) throw new Error(`${line}\n${output}`);
    return stdout;
  };
  for (const [path, text] of Object.entries(files)) await write(path, text);
  const bare = { name, private: true, type: 'module' };
  await write('package.json', json(bare));
  await link();
  return {
    folder,
    write,
    async install(archive) {
      // npm removes what a package.json does not name, and would ask a registry for what it names.
      await rm(join(folder, 'node_modules'), { recursive: true });
      await installPackage(home, archive, folder);
      await link();
      const { dependencies } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
        dependencies: object;
      };
      const own = manifest.dependencies as object | undefined;
      await write('package.json', json({ ...bare, ...manifest, dependencies: { ...own, ...dependencies } }));
    },
    run,
    git: (line) => run(`git -c user.name=Anna -c user.email=anna@example.com ${line}`),
  };
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Each by itself: through a link to a folder of many, npm would remove those of the checkout. */
async function packages(): Promise<string[]> {
  const scopes = ['@supabase', '@types'];
  const scoped = await Promise.all(
    scopes.map(async (scope) =>
      (await readdir(join(PROJECT, 'node_modules', scope))).map((name) => `${scope}/${name}`),
    ),
  );
  return [...PACKAGES, ...scoped.flat()];
}

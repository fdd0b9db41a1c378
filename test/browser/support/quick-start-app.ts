import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackage, runIn } from '../../support/packed-package.ts';
import type { QuickStart } from '../../support/quick-start.ts';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

/** What a registry would be asked for. */
const INSTALLED = ['@supabase', '@types', 'react', 'react-dom', 'vite'];

export interface QuickStartApp {
  /** The folder in `home`. */
  readonly name: string;
  /** What is the template's own. */
  readonly template: Readonly<Record<string, string>>;
  /** Which of the page's files it has. */
  readonly files: readonly string[];
  /** The values of `.env.local`, by their names. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Makes an app in `home` as the page says, from the archive that `npm pack` left there and the checkout's packages in place
 * of a registry's; checks its types, builds it, and returns the folder to serve.
 */
export async function buildQuickStartApp(
  home: string,
  archive: string,
  quickStart: QuickStart,
  { name, template, files, environment }: QuickStartApp,
): Promise<string> {
  const app = join(home, name);
  const { files: written, commands } = quickStart;
  await mkdir(join(app, 'src'), { recursive: true });
  await mkdir(join(app, 'public'));
  for (const [path, text] of Object.entries(template)) await writeFile(join(app, path), text);
  for (const path of files) await writeFile(join(app, path), written.get(path) ?? '');
  const lines = (written.get('.env.local') ?? '').replace(
    /^(\w+)=.*$/gm,
    (_line, variable: string) => `${variable}=${environment[variable]}`,
  );
  await writeFile(join(app, '.env.local'), lines);

  await installPackage(home, archive, app);
  for (const installed of INSTALLED) {
    await symlink(join(PROJECT, 'node_modules', installed), join(app, 'node_modules', installed));
  }
  for (const command of commands.filter((line) => /^npm (pkg|run) /.test(line))) {
    await runIn(home, 'sh', ['-c', command], app);
  }
  const { resolve } = createRequire(import.meta.url);
  const bin = (packageName: string, script: string): string =>
    join(dirname(resolve(`${packageName}/package.json`)), 'bin', script);
  await runIn(home, process.execPath, [bin('typescript', 'tsc')], app);
  await runIn(home, process.execPath, [bin('vite', 'vite.js'), 'build', '--logLevel', 'warn'], app);
  return join(app, 'dist');
}

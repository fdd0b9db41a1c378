import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InitRefusal } from '../init/refusal.ts';
import { packagePath } from '../init/release.ts';
import { DevError } from './dev-error.ts';

/** Where the packages of the local stack are, below the folder of the project: outside of the app's own, and ignored by git. */
export const PACKAGES_FOLDER = '.supapush/packages';

/** The local stack as the package carries it, with the manifest and the lock file of what it needs. */
const PROGRAM = packagePath('dist/local');

/**
 * Lays out the local stack with its packages, ready to be loaded; the path of the module of `AppStackModule`. What is missing, or of another version than this release is tested with, is
 * said first, and then fetched by npm with the lock file of this release; no script of a package runs.
 *
 * @param root the folder of the project
 * @param say gets each line before what it tells of happens
 * @param program the folder of the compiled local stack
 * @throws `packages_not_installed` when npm fails: what was there before is left as it was
 */
export async function installStack(
  root: string,
  say: (line: string) => void,
  program = PROGRAM,
): Promise<string> {
  const folder = join(root, PACKAGES_FOLDER);
  await mkdir(folder, { recursive: true });
  // Also in a project where init has not been.
  await writeFile(join(root, '.supapush/.gitignore'), '*\n');
  const wanted = await readManifest(program);
  const missing: string[] = [];
  for (const [name, version] of Object.entries(wanted)) {
    if ((await versionIn(folder, name)) !== version) missing.push(`${name} ${version}`);
  }
  if (missing.length > 0) {
    say(
      `The local stack needs packages that do not come with supapush, about 300 MB: ${missing.join(', ')}.`,
    );
    say(`npm fetches them now, once, into ${PACKAGES_FOLDER}. Your app's own packages stay as they are.`);
    await fetchPackages(folder, program);
  }
  await placeProgram(folder, program);
  return join(folder, 'program/tools/local/app-stack.js');
}

async function readManifest(folder: string): Promise<Record<string, string>> {
  try {
    const manifest = await readFile(join(folder, 'packages.json'), 'utf8');
    return (JSON.parse(manifest) as { dependencies: Record<string, string> }).dependencies;
  } catch (cause) {
    throw new InitRefusal('package_incomplete', 'This package was not built: run npm run build.', { cause });
  }
}

async function versionIn(folder: string, name: string): Promise<string | undefined> {
  try {
    const manifest = await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8');
    return (JSON.parse(manifest) as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** Beside and then moved, so that what npm left half done is never taken for all. */
async function fetchPackages(folder: string, program: string): Promise<void> {
  const draft = join(folder, 'new');
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft);
  await cp(join(program, 'packages.json'), join(draft, 'package.json'));
  await cp(join(program, 'packages.lock.json'), join(draft, 'package-lock.json'));
  await runNpm(draft, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  await rm(join(folder, 'node_modules'), { recursive: true, force: true });
  await rename(join(draft, 'node_modules'), join(folder, 'node_modules'));
  await rm(draft, { recursive: true, force: true });
}

async function runNpm(cwd: string, args: string[]): Promise<void> {
  // npx puts the settings of the app's own npm into the environment, and this folder is not part of the app.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^npm_(package|lifecycle|config_(prefix|local_prefix|workspaces?))/i.test(name),
  );
  const npm = spawn('npm', args, {
    cwd,
    env: { ...Object.fromEntries(inherited), NODE_ENV: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
    // There it is a script of the shell.
    shell: process.platform === 'win32',
  });
  const said: Buffer[] = [];
  for (const stream of [npm.stdout, npm.stderr]) stream.on('data', (part: Buffer) => said.push(part));
  const problem = await new Promise<string | undefined>((resolve) => {
    npm.once('error', (error) => resolve(error.message));
    npm.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `npm ended with ${code ?? signal}.`),
    );
  });
  if (problem === undefined) return;
  const lines = Buffer.concat(said).toString('utf8').trim().split('\n').slice(-20).join('\n');
  throw new DevError(
    'packages_not_installed',
    `The packages of the local stack could not be fetched: ${problem}\n${lines}\nCall it again once npm can reach its registry.`,
  );
}

/** Where the packages are, so that Node finds them from there. */
async function placeProgram(folder: string, program: string): Promise<void> {
  const place = join(folder, 'program');
  await rm(place, { recursive: true, force: true });
  await cp(program, place, { recursive: true });
  await writeFile(join(place, 'package.json'), '{ "type": "module" }\n');
}

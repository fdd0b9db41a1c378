import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InitRefusal } from '../init/refusal.ts';
import { packagePath } from '../init/release.ts';
import { DevError } from './dev-error.ts';
import { lockPackages } from './packages-lock.ts';
import { runNpm } from './run-npm.ts';

/** Where the packages of the local stack are, below the folder of the project: outside of the app's own, and ignored by git. */
export const PACKAGES_FOLDER = '.supapush/packages';

const DRAFT = 'new-';

/** The local stack as the package carries it, with the manifest and the lock file of what it needs. */
const PROGRAM = packagePath('dist/local');

/**
 * Lays out the local stack with its packages, ready to be loaded, for this process alone until it ends; the path of the module of
 * `AppStackModule`. What is missing, of another kind of machine, or of another version than this release is tested with, is said
 * first, and then fetched by npm with the lock file of this release; no script of a package runs.
 *
 * @param root the folder of the project
 * @param say gets each line before what it tells of happens
 * @param program the folder of the compiled local stack
 * @throws `packages_not_installed` when npm fails, and `already_running`: what was there before is left as it was
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
  const wanted = await wantedPackages(program);
  await lockPackages(folder);
  const missing = await missingIn(folder, wanted);
  if (missing.length > 0) {
    say(
      `The local stack needs packages that do not come with supapush, about 300 MB: ${missing.join(', ')}.`,
    );
    say(`npm fetches them now, once, into ${PACKAGES_FOLDER}. Your app's own packages stay as they are.`);
    await fetchPackages(folder, program);
    const still = await missingIn(folder, wanted);
    if (still.length > 0)
      throw new DevError(
        'packages_not_installed',
        `npm did not fetch all that this machine needs: ${still.join(', ')}. Call it again once npm can reach its registry.`,
      );
  }
  await placeProgram(folder, program);
  return join(folder, 'program/tools/local/app-stack.js');
}

interface LockedPackage {
  version?: string;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

interface WantedPackage {
  name: string;
  version: string | undefined;
  /** The package whose binaries it has. */
  of?: string;
}

/** What the stack imports, and what of it is for this kind of machine. */
async function wantedPackages(program: string): Promise<WantedPackage[]> {
  let manifest: { dependencies: Record<string, string> };
  let lock: { packages?: Record<string, LockedPackage> };
  try {
    manifest = JSON.parse(await readFile(join(program, 'packages.json'), 'utf8'));
    lock = JSON.parse(await readFile(join(program, 'packages.lock.json'), 'utf8'));
  } catch (cause) {
    throw new InitRefusal('package_incomplete', 'This package was not built: run npm run build.', { cause });
  }
  const locked = (name: string): LockedPackage => lock.packages?.[`node_modules/${name}`] ?? {};
  return Object.entries(manifest.dependencies).flatMap(([of, version]) => [
    { name: of, version },
    ...Object.keys(locked(of).optionalDependencies ?? {})
      .filter((name) => isForThisMachine(locked(name)))
      .map((name) => ({ name, version: locked(name).version, of })),
  ]);
}

function isForThisMachine({ os, cpu, libc }: LockedPackage): boolean {
  return (
    os?.includes(process.platform) === true &&
    cpu?.includes(process.arch) === true &&
    (libc === undefined || libc.includes('glibc') === hasGlibc())
  );
}

/** On musl npm leaves out what needs it, and the stack says that it does not run there. */
function hasGlibc(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}

async function missingIn(folder: string, wanted: readonly WantedPackage[]): Promise<string[]> {
  const modules = join(folder, 'node_modules');
  const missing: string[] = [];
  for (const { name, version, of } of wanted) {
    const found =
      (await versionIn(modules, name)) ?? (of && (await versionIn(await besides(modules, of), name)));
    if (found !== version) missing.push(`${name} ${version}`);
  }
  return missing;
}

/** The folder of packages that a package really is in: it may be linked. */
async function besides(modules: string, name: string): Promise<string> {
  const folder = await realpath(join(modules, name)).catch(() => join(modules, name));
  return resolve(folder, name.startsWith('@') ? '../..' : '..');
}

async function versionIn(modules: string, name: string): Promise<string | undefined> {
  try {
    const manifest = await readFile(join(modules, name, 'package.json'), 'utf8');
    return (JSON.parse(manifest) as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** Beside and then moved, so that what npm left half done is never taken for all. */
async function fetchPackages(folder: string, program: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.startsWith(DRAFT)) await removeDraft(join(folder, name));
  const draft = await mkdtemp(join(folder, DRAFT));
  try {
    await cp(join(program, 'packages.json'), join(draft, 'package.json'));
    await cp(join(program, 'packages.lock.json'), join(draft, 'package-lock.json'));
    const quietly = ['--no-audit', '--no-fund', '--loglevel=error'];
    // A setting of the person's may leave out what is optional: the binaries for each kind of machine are.
    await runNpm(draft, ['ci', '--include=optional', '--ignore-scripts', ...quietly]);
    await rm(join(folder, 'node_modules'), { recursive: true, force: true });
    await rename(join(draft, 'node_modules'), join(folder, 'node_modules'));
  } finally {
    await removeDraft(draft);
  }
}

/** An npm that outlived a killed start may still write into it: then a later start removes it. */
async function removeDraft(draft: string): Promise<void> {
  await rm(draft, { recursive: true, force: true }).catch(() => undefined);
}

/** Where the packages are, so that Node finds them from there. */
async function placeProgram(folder: string, program: string): Promise<void> {
  const place = join(folder, 'program');
  await rm(place, { recursive: true, force: true });
  await cp(program, place, { recursive: true });
  await writeFile(join(place, 'package.json'), '{ "type": "module" }\n');
}

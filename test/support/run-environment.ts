import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/supapush/compiled', import.meta.url));
const MEMORY = '/dev/shm';
/** What a run of all tests needs at most, many times over. */
const ROOM = 6 * 2 ** 30;

/**
 * What makes a run of the tests cheaper, for its own processes and all that it starts. Called by the configuration, before a
 * worker is started. What the environment says already stays.
 *
 * - Temporary files are in memory where there is room. The tests make and remove hundreds of databases of a thousand files each.
 * - Node keeps what it compiled and stripped of types: half of what a command of ours costs is reading its TypeScript.
 */
export function prepareRun(): void {
  process.env.NODE_COMPILE_CACHE ??= CACHE;
  if (process.env.TMPDIR !== undefined || !isRoomy(MEMORY)) return;
  const folder = mkdtempSync(join(MEMORY, 'supapush-run-'));
  // Under root, Postgres runs as another user and must pass through.
  chmodSync(folder, 0o711);
  process.env.TMPDIR = folder;
  // Memory is not to be lost to what failing tests and other programs leave.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
}

/** Whether a folder is a file system in memory with room for the tests, from which programs may be started. */
function isRoomy(folder: string): boolean {
  try {
    const mounted = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
    const [, , type, options = ''] = mounted.findLast(([, place]) => place === folder) ?? [];
    const { bavail, bsize } = statfsSync(folder);
    return (
      type === 'tmpfs' && !options.split(',').includes('noexec') && Math.min(bavail * bsize, freemem()) > ROOM
    );
  } catch {
    // No Linux.
    return false;
  }
}

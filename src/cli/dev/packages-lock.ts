import { rmSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson } from '../../shared/parse-json.ts';
import { isRunning } from '../is-running.ts';
import { DevError } from './dev-error.ts';

const held = new Set<string>();

/**
 * Takes a folder of packages for this process alone, until it ends: another one must neither fetch into it meanwhile, nor replace
 * what this one has loaded.
 *
 * @throws `already_running`, which names the process that has it
 */
export async function lockPackages(folder: string): Promise<void> {
  const file = join(folder, 'lock.json');
  if (held.has(file)) return;
  while (!(await create(file))) {
    const pid = await holderOf(file);
    if (pid !== undefined && isRunning(pid))
      throw new DevError(
        'already_running',
        `supapush dev runs in this project already (process ${pid}). Stop it first; if that process is something else, remove ${file}.`,
      );
    await rm(file, { force: true });
  }
  if (held.size === 0)
    process.once('exit', () => {
      for (const one of held) rmSync(one, { force: true });
    });
  held.add(file);
}

async function create(file: string): Promise<boolean> {
  try {
    await writeFile(file, JSON.stringify({ pid: process.pid }), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined where it is not known, and where an earlier process had the id of this one. */
async function holderOf(file: string): Promise<number | undefined> {
  const content = parseJson(await readFile(file, 'utf8').catch(() => '')) as
    | { pid?: unknown }
    | null
    | undefined;
  const pid = content?.pid;
  return typeof pid === 'number' && Number.isInteger(pid) && pid > 0 && pid !== process.pid ? pid : undefined;
}

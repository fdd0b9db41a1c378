import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Lifetime } from './lifetime.ts';
import { LocalStackError } from './local-stack-error.ts';
import { isRunning } from './postgres/server-process.ts';

const LOCK = 'lock.json';

const holder = z.object({ pid: z.int(), reaper: z.int().optional() });

/** Longer than the reaper may take to end a Postgres. */
const REAPER_PATIENCE_MS = 40_000;

/**
 * Takes a state folder for this process alone, until the lifetime ends or this process dies. Waits for the reaper
 * of a stack that was killed there. Throws `LocalStackError` `directory_in_use`, naming the process that has it.
 */
export async function lockState(directory: string, lifetime: Lifetime): Promise<void> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, LOCK);
  const mine = JSON.stringify({ pid: process.pid, reaper: lifetime.reaperPid });
  const deadline = Date.now() + REAPER_PATIENCE_MS;
  while (!(await create(file, mine))) {
    const other = await readHolder(file);
    if (other && isRunning(other.pid)) {
      throw new LocalStackError(
        'directory_in_use',
        `A local stack is already running on ${directory} (process ${other.pid}). Stop it first; if that process ` +
          `is something else, remove ${file}.`,
      );
    }
    const cleaning = other?.reaper !== undefined && isRunning(other.reaper);
    if (cleaning && Date.now() < deadline) await delay(50);
    else await rm(file, { force: true });
  }
  lifetime.removeAtEnd(file);
}

/** Removes everything from a state folder that this process has locked. */
export async function emptyState(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name !== LOCK) await rm(join(directory, name), { recursive: true, force: true });
  }
}

async function create(file: string, content: string): Promise<boolean> {
  try {
    await writeFile(file, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readHolder(file: string): Promise<z.infer<typeof holder> | undefined> {
  try {
    return holder.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}

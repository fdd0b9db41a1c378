import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LocalStackError } from '../local-stack-error.ts';
import { endProcess, isRunning } from './server-process.ts';

/**
 * Makes way for a server in `directory`: ends one whose owner was killed, and removes the pid file of one that is
 * gone (the number may belong to another process by now, which Postgres would take for a running server).
 * Throws `LocalStackError` `directory_in_use` if the owner still lives.
 */
export async function endOrphan(directory: string, install: string): Promise<void> {
  const pidFile = join(directory, 'data', 'postmaster.pid');
  const pid = readPid(pidFile);
  if (pid === undefined) return;
  if (isRunning(pid) && commandLine(pid).includes(install)) {
    const owner = readPid(join(directory, 'owner.pid'));
    if (owner !== undefined && isRunning(owner)) {
      throw new LocalStackError(
        'directory_in_use',
        `A PostgreSQL (process ${pid}, started by process ${owner}) is already running in ${directory}.`,
      );
    }
    await endProcess(pid, ['SIGINT', 'SIGQUIT', 'SIGKILL']);
  }
  rmSync(pidFile, { force: true });
}

function readPid(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || undefined;
  } catch {
    return undefined;
  }
}

function commandLine(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

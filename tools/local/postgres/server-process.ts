import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** How long each signal gets before the next, harder one. */
const PATIENCE_MS = 10_000;

const running = new Set<number>();

/** Whether a process with this id is alive. One that ended but was not yet collected by its parent is not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  // In a container without an init process, no process reaps an orphan: it stays a zombie for ever.
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, ''));
  } catch {
    return false;
  }
}

/** Sends the signals one after the other until the process is gone. */
export async function endProcess(pid: number, signals: NodeJS.Signals[]): Promise<void> {
  for (const signal of signals) {
    if (!send(pid, signal)) return;
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      if (!isRunning(pid)) return;
      await delay(10);
    }
  }
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * Asks the process for a fast shutdown should ours exit without having stopped it (an uncaught error, process.exit).
 * Returns what undoes this. One listener serves all servers: each would count towards Node's limit of ten.
 */
export function stopAtExit(pid: number): () => void {
  if (running.size === 0) process.on('exit', interruptAll);
  running.add(pid);
  return () => {
    running.delete(pid);
    if (running.size === 0) process.off('exit', interruptAll);
  };
}

function interruptAll(): void {
  for (const pid of running) send(pid, 'SIGINT');
}

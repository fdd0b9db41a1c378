// A process of its own that outlives a stack which was killed: it ends what the stack left behind.
//
// The stack holds the other end of this process's standard input and never closes it before it has stopped. The
// kernel closes it when the stack's process ends for whatever reason, kill -9 included; that end of file is the
// one signal that cannot be lost. `lifetime.ts` writes the lines.

import { readFileSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReaperLine } from './lifetime.ts';
import { endProcess } from './postgres/server-process.ts';

const processes = new Set<number>();
/** Pid files of servers that may still be starting while their pid is unknown to the stack. */
const pidFiles = new Set<string>();
const paths = new Set<string>();
let stopped = false;

for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text) as ReaperLine;
  if (line.do === 'watch-process') processes.add(line.pid);
  else if (line.do === 'forget-process') processes.delete(line.pid);
  else if (line.do === 'watch-pid-file') pidFiles.add(line.path);
  else if (line.do === 'remove-at-end') paths.add(line.path);
  else stopped = true;
}

if (!stopped) {
  await endEverything();
  // initdb may be at work in a folder while it is removed: what it writes then goes in the next round.
  for (let round = 0; round < 20 && (await removeAll()); round++) {
    await delay(250);
    await endEverything();
  }
}

async function endEverything(): Promise<void> {
  for (const file of pidFiles) {
    const pid = pidIn(file);
    if (pid !== undefined) processes.add(pid);
  }
  // SIGINT first: to Postgres a fast, orderly shutdown, which also frees its shared memory.
  await Promise.all([...processes].map((pid) => endProcess(pid, ['SIGINT', 'SIGQUIT', 'SIGKILL'])));
  processes.clear();
}

/** Whether there was anything to remove. */
async function removeAll(): Promise<boolean> {
  let found = false;
  for (const path of paths) {
    if (await stat(path).catch(() => undefined)) found = true;
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
  return found;
}

function pidIn(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || undefined;
  } catch {
    return undefined;
  }
}

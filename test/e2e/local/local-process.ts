import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { expect, vi } from 'vitest';
import { isLoopbackPortFree } from '../../../tools/local/loopback-port.ts';
import { isRunning } from '../../../tools/local/postgres/server-process.ts';

/** A program under test, with what it has printed so far. */
export interface LocalProcess {
  child: ChildProcess;
  stdout: string[];
  stderr: string[];
  /** The next line on stdout that is JSON. Rejects, with all of stderr, when the program ends before. */
  ready(): Promise<unknown>;
  /** Resolves with exit code or signal. */
  ended: Promise<number | NodeJS.Signals | null>;
}

/** Starts a program with its own streams; ends it with SIGKILL, should the test fail, through `child`. */
export function startProcess(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): LocalProcess {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
  const stdout: string[] = [];
  const stderr: string[] = [];
  const firstJson = Promise.withResolvers<unknown>();
  firstJson.promise.catch(() => undefined);
  createInterface({ input: child.stdout }).on('line', (line) => {
    stdout.push(line);
    if (line.startsWith('{')) firstJson.resolve(JSON.parse(line));
  });
  createInterface({ input: child.stderr }).on('line', (line) => stderr.push(line));
  const ended = once(child, 'close').then(() => {
    firstJson.reject(new Error(`ended before it was ready:\n${stderr.join('\n')}`));
    return child.exitCode ?? child.signalCode;
  });
  return { child, stdout, stderr, ready: () => firstJson.promise, ended };
}

export interface Traces {
  pids: number[];
  ports: number[];
  folder?: string;
}

/** Fails unless, within 15 s, every process is gone, every port free, and the folder removed. */
export async function expectNoTraces({ pids, ports, folder }: Traces): Promise<void> {
  expect(pids.length).toBeGreaterThan(0);
  await vi.waitFor(
    async () => {
      expect(pids.filter(isRunning)).toEqual([]);
      expect(await Promise.all(ports.map(isLoopbackPortFree))).toEqual(ports.map(() => true));
      if (folder) expect(existsSync(folder)).toBe(false);
    },
    { timeout: 15_000, interval: 50 },
  );
}

/** Fails unless, within 15 s, the folder holds no stack and no process was started from below it. */
export async function expectNothingBelow(folder: string): Promise<void> {
  await vi.waitFor(
    async () => {
      expect((await readdir(folder)).filter((name) => name.startsWith('supapush-'))).toEqual([]);
      const processes = execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).split('\n');
      expect(processes.filter((line) => line.includes(folder))).toEqual([]);
    },
    { timeout: 15_000, interval: 50 },
  );
}

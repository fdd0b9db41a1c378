import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freeLoopbackPort } from '../loopback-port.ts';
import { denoBinary } from './deno-binary.ts';
import { environmentFor } from './deno-environment.ts';
import type { EdgeFunction } from './edge-function.ts';

/** Told about every process that starts and ends, so that none outlives the stack. */
export interface ProcessTracker {
  started(pid: number): void;
  ended(pid: number): void;
}

export interface DenoProcessOptions {
  edgeFunction: EdgeFunction;
  /** Files below this folder may be read. */
  projectDirectory: string;
  /** The whole environment of the process, apart from what Deno itself needs. */
  environment: Record<string, string>;
  /**
   * Where imports come from: the packages of the project alone, or wherever each says, fetched by Deno as the platform does, with the
   * globals of its Edge Runtime.
   */
  imports?: 'project' | 'anywhere' | undefined;
  onLog(line: string, stream: 'stdout' | 'stderr'): void;
  tracker?: ProcessTracker | undefined;
}

/** The Deno process of one function, started again whenever it ends by itself. */
export interface DenoProcess {
  /** The running process; undefined between two. */
  readonly pid: number | undefined;
  /** The loopback port of the running process, waiting for a start under way. Rejects when it cannot start. */
  port(): Promise<number>;
  /** Ends the process as a crash would (SIGKILL); it is started again. */
  kill9(): void;
  stop(): Promise<void>;
}

/** A function whose process ends again and again before it serves. */
export class FunctionStartError extends Error {
  override readonly name = 'FunctionStartError';
  readonly code = 'function_failed_to_start';
}

const START_TIMEOUT_MS = 30_000;
/** A process that lives shorter than this counts as a failed start. */
const STABLE_AFTER_MS = 1_000;
const FREE_RESTARTS = 3;
const MAX_FAILURES = 6;
/** One that has never served is most likely broken: its author should hear of it soon. */
const MAX_FIRST_FAILURES = 2;
const ERROR_LINES_KEPT = 20;
const EDGE_RUNTIME = fileURLToPath(new URL('./edge-runtime.js', import.meta.url));

/** Starts a function's process and keeps it running. Returns at once; `port()` waits until it serves. */
export function startDenoProcess(options: DenoProcessOptions): DenoProcess {
  const { edgeFunction } = options;
  const stopping = new AbortController();
  let child: ChildProcess | undefined;
  let failures = 0;
  let lastErrors: string[] = [];
  let hasServed = false;
  let isServing = false;
  let serving = newServing();

  const hasGivenUp = (): boolean => failures >= (hasServed ? MAX_FAILURES : MAX_FIRST_FAILURES);

  /** From here on, requests wait for the next process; those already waiting for one are not forgotten. */
  const renewServing = (): void => {
    if (isServing) serving = newServing();
    isServing = false;
  };

  const keepRunning = async (): Promise<void> => {
    while (!stopping.signal.aborted && !hasGivenUp()) {
      if (failures > FREE_RESTARTS) {
        await delay(100 * 2 ** failures, undefined, { signal: stopping.signal }).catch(() => undefined);
        if (stopping.signal.aborted) return;
      }
      await runOnce();
    }
    if (stopping.signal.aborted) return;
    serving.reject(
      new FunctionStartError(
        `Function ${edgeFunction.name} ended ${failures} times in a row:\n${lastErrors.join('\n')}`,
      ),
    );
  };

  const runOnce = async (): Promise<void> => {
    const port = await freeLoopbackPort();
    if (stopping.signal.aborted) return;
    lastErrors = [];
    child = spawn(denoBinary(), denoArguments(options), {
      cwd: options.projectDirectory,
      env: environmentFor(options, port, process.env),
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own: Ctrl-C reaches the stack alone, which then stops its parts in order.
      detached: true,
    });
    const { pid } = child;
    const ended = new AbortController();
    const end = new Promise<string>((resolve) => {
      child?.once('error', (error) => resolve(error.message));
      child?.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    if (pid !== undefined) options.tracker?.started(pid);
    collectLines(child.stdout, (line) => options.onLog(line, 'stdout'));
    collectLines(child.stderr, (line) => {
      lastErrors = [...lastErrors, line].slice(-ERROR_LINES_KEPT);
      options.onLog(line, 'stderr');
    });
    let servingSince: number | undefined;
    const listening = waitUntilListening(port, ended.signal).then((outcome) => {
      if (outcome === 'timeout') child?.kill('SIGKILL');
      if (outcome !== 'listening') return;
      servingSince = performance.now();
      hasServed = true;
      isServing = true;
      serving.resolve(port);
    });
    const reason = await end;
    ended.abort();
    await listening;
    if (pid !== undefined) options.tracker?.ended(pid);
    child = undefined;
    const stable = servingSince !== undefined && performance.now() - servingSince > STABLE_AFTER_MS;
    failures = stable ? 0 : failures + 1;
    if (servingSince !== undefined) renewServing();
    if (!stopping.signal.aborted) options.onLog(`process ended (${reason}), starting again`, 'stderr');
  };

  let running = keepRunning();

  return {
    get pid() {
      return child?.pid;
    },
    port() {
      if (hasGivenUp() && child === undefined && !stopping.signal.aborted) {
        // Given up: every request pays for one more try, so that a repaired function serves without a restart.
        failures -= 1;
        serving = newServing();
        running = running.then(keepRunning);
      }
      return serving.promise;
    },
    kill9() {
      if (!child?.kill('SIGKILL')) return;
      // The kernel would still take connections for it, for a moment, only to reset them.
      renewServing();
    },
    async stop() {
      stopping.abort();
      serving.reject(new FunctionStartError(`Function ${edgeFunction.name} is stopped`));
      const last = child;
      if (last && last.exitCode === null && last.signalCode === null) {
        last.kill('SIGTERM');
        const force = setTimeout(() => last.kill('SIGKILL'), 2_000);
        if (last.exitCode === null && last.signalCode === null) await once(last, 'exit');
        clearTimeout(force);
      }
      await running;
    },
  };
}

function newServing(): PromiseWithResolvers<number> {
  const next = Promise.withResolvers<number>();
  // It may fail before any caller awaits it; a caller who asks later still gets the rejection.
  next.promise.catch(() => undefined);
  return next;
}

function denoArguments({ edgeFunction, projectDirectory, imports }: DenoProcessOptions): string[] {
  return [
    'run',
    '--quiet',
    '--no-prompt',
    // Serving must never write into the project's own lock files.
    '--no-lock',
    ...(imports === 'anywhere'
      ? ['--node-modules-dir=none', '--allow-import', '--allow-sys', '--preload', EDGE_RUNTIME]
      : ['--node-modules-dir=manual']),
    ...(edgeFunction.denoConfig ? ['--config', edgeFunction.denoConfig] : []),
    ...(edgeFunction.importMap ? ['--import-map', edgeFunction.importMap] : []),
    '--allow-net',
    '--allow-env',
    `--allow-read=${projectDirectory}`,
    edgeFunction.entrypoint,
  ];
}

function collectLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (!stream) return;
  createInterface({ input: stream }).on('line', (line) => {
    // Deno's own greeting, with a port that is not to be used directly.
    if (!/^Listening on http:\/\/127\.0\.0\.1:\d+\/? ?/.test(line)) onLine(line);
  });
}

async function waitUntilListening(
  port: number,
  ended: AbortSignal,
): Promise<'listening' | 'ended' | 'timeout'> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!ended.aborted) {
    if (await accepts(port)) return 'listening';
    if (performance.now() > deadline) return 'timeout';
    await delay(15, undefined, { signal: ended }).catch(() => undefined);
  }
  return 'ended';
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

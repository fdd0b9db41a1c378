import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** One line to the reaper; `stopped` says that there is nothing left to do. */
export type ReaperLine =
  | { do: 'watch-process' | 'forget-process'; pid: number }
  | { do: 'watch-pid-file' | 'remove-at-end'; path: string }
  | { do: 'stopped' };

/** Owns everything a stack starts or makes, and sees that it is gone when the stack is, however it ended. */
export interface Lifetime {
  /** The process that cleans up should this one be killed. */
  readonly reaperPid: number | undefined;
  /** A child process; ended if this process dies. */
  started(pid: number): void;
  ended(pid: number): void;
  /** A server that writes its pid to this file; ended if this process dies. */
  watchPidFile(path: string): void;
  /** A folder or file that goes when the stack does. */
  removeAtEnd(path: string): void;
  /** What `end` is to do; the last added runs first. */
  onEnd(name: string, step: () => Promise<void>): void;
  /** Runs every step, even when one fails, then removes what is to be removed. May be called again. */
  end(): Promise<void>;
}

/** Starts a lifetime. `log` hears of steps that failed; they never keep the next from running. */
export function startLifetime(log: (line: string) => void = () => undefined): Lifetime {
  const steps: { name: string; step: () => Promise<void> }[] = [];
  const paths: string[] = [];
  const reaper = startReaper();
  const tell = (line: ReaperLine): void => {
    reaper.stdin?.write(`${JSON.stringify(line)}\n`);
  };
  let ending: Promise<void> | undefined;

  const end = async (): Promise<void> => {
    for (const { name, step } of steps.reverse()) {
      try {
        await step();
      } catch (error) {
        log(`stopping ${name} failed: ${error instanceof Error ? error.stack : error}`);
      }
    }
    for (const path of paths.reverse()) await rm(path, { recursive: true, force: true });
    tell({ do: 'stopped' });
    const gone = reaper.exitCode === null && reaper.signalCode === null ? once(reaper, 'exit') : undefined;
    reaper.stdin?.end();
    reaper.ref();
    await gone;
  };

  return {
    reaperPid: reaper.pid,
    started: (pid) => tell({ do: 'watch-process', pid }),
    ended: (pid) => tell({ do: 'forget-process', pid }),
    watchPidFile: (path) => tell({ do: 'watch-pid-file', path }),
    removeAtEnd(path) {
      paths.push(path);
      tell({ do: 'remove-at-end', path });
    },
    onEnd: (name, step) => steps.push({ name, step }),
    end() {
      ending ??= end();
      return ending;
    },
  };
}

function startReaper(): ChildProcess {
  const { NODE_COMPILE_CACHE: compiled } = process.env;
  // In the package it is compiled.
  const program = import.meta.url.endsWith('.ts') ? './reaper.ts' : './reaper.js';
  const reaper = spawn(process.execPath, [fileURLToPath(new URL(program, import.meta.url))], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // A session of its own: a signal to the stack's process group must not reach what cleans up after it. And of the
    // environment only where Node keeps what it compiled: preloads and debuggers of this process are not for that one.
    detached: true,
    env: compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled },
  });
  // If the reaper is killed as well, nothing is cleaned up; that must not end the stack with EPIPE.
  reaper.stdin?.on('error', () => undefined);
  reaper.on('error', () => undefined);
  reaper.unref();
  (reaper.stdin as { unref?(): void } | null)?.unref?.();
  return reaper;
}

/**
 * Ends the process in order on SIGINT, SIGTERM and SIGHUP (exit code 0: for a server that is the normal way to
 * end), and on an uncaught error (exit code 1). `process.exit` and SIGKILL are the reaper's. A second signal,
 * half a second later or more, does not wait for the orderly end (npm hands on the terminal's Ctrl-C a second time at once).
 */
export function endOnSignals(end: () => Promise<void>, say: (line: string) => void): void {
  let since: number | undefined;
  const finish = (exitCode: number): void => {
    if (since !== undefined) {
      if (performance.now() - since > 500) process.exit(130);
      return;
    }
    since = performance.now();
    end().then(
      () => process.exit(exitCode),
      (error) => {
        say(String(error));
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => finish(0));
  // npm hands SIGTERM to the shell it runs a script in, which dies of it without telling us: we notice its absence.
  if (process.env.npm_lifecycle_event !== undefined) {
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      finish(0);
    }, 100).unref();
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      finish(1);
    });
  }
}

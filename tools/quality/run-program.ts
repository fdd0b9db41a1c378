import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ProgramOptions {
  cwd: string;
  /** The whole environment of the program. */
  environment: Record<string, string>;
  /** The operating system account to run as; our own unless given. */
  account?: { uid: number; gid: number } | undefined;
  /** It is ended after this many milliseconds; ten minutes unless given. */
  timeoutMs?: number;
  /** Told about each complete line as it comes. */
  onLine?: (line: string) => void;
}

export interface ProgramResult {
  /** Undefined when a signal ended it. */
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
  /** Both streams, in the order in which they arrived. */
  output: string;
}

/** A program that could not be started, did not end in its time, or failed; `message` carries what it said. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  readonly code: 'program_not_started' | 'program_timed_out' | 'program_failed';

  constructor(code: ProgramError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const TEN_MINUTES = 600_000;
const running = new Set<number>();

/** A program on its way. */
export interface RunningProgram {
  /** Its end, whatever the exit code. Rejects with a `ProgramError`. */
  ended: Promise<ProgramResult>;
  /** Undefined where it could not be started. */
  pid: number | undefined;
  /** Ends it with everything it started that is in its process group, by SIGKILL unless another signal is given. */
  end(signal?: NodeJS.Signals): void;
}

/** Runs a program to its end, without standard input; an exit code is a result, not an error. Throws `ProgramError`. */
export function runProgram(command: string, args: string[], options: ProgramOptions): Promise<ProgramResult> {
  return startProgram(command, args, options).ended;
}

/**
 * Starts a program without standard input. Whatever it started goes with it when it times out or this process exits
 * first: several of our tools are small scripts around the program proper.
 */
export function startProgram(command: string, args: string[], options: ProgramOptions): RunningProgram {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that it can be ended as a whole.
    detached: true,
    ...options.account,
  });
  const { pid } = child;
  const end = (signal?: NodeJS.Signals): void => {
    if (pid !== undefined && running.has(pid)) endGroup(pid, signal);
  };
  const ended = new Promise<ProgramResult>((resolve, reject) => {
    if (pid !== undefined) remember(pid);
    const result: ProgramResult = { exitCode: undefined, stdout: '', stderr: '', output: '' };
    const collect = (stream: 'stdout' | 'stderr', chunk: string): void => {
      result[stream] += chunk;
      result.output += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => collect('stdout', chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => collect('stderr', chunk));
    if (options.onLine) {
      for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', options.onLine);
    }

    let timedOut = false;
    const timeoutMs = options.timeoutMs ?? TEN_MINUTES;
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, timeoutMs);
    const finish = (): void => {
      clearTimeout(timer);
      if (pid !== undefined) forget(pid);
    };
    child.once('error', (cause) => {
      finish();
      const message = `${command} could not be started: ${cause.message}`;
      reject(new ProgramError('program_not_started', message, { cause }));
    });
    child.once('close', (exitCode) => {
      finish();
      if (timedOut) {
        const said = result.output.slice(-2000);
        const message = `${command} did not end within ${timeoutMs} ms:\n${said}`;
        reject(new ProgramError('program_timed_out', message));
      } else {
        resolve({ ...result, exitCode: exitCode ?? undefined });
      }
    });
  });
  return { ended, end, pid };
}

const SURROUNDINGS = [
  'PATH',
  'HOME',
  'TMPDIR',
  'TEMP',
  'SystemRoot',
  'LOCALAPPDATA',
  'APPDATA',
  'LANG',
  'DENO_DIR',
  'NODE_COMPILE_CACHE',
];
// Behind a company's proxy, packages arrive only with these. They come in either case.
const NETWORK =
  /^(https?_proxy|no_proxy|ssl_cert_(file|dir)|node_extra_ca_certs|deno_cert|deno_tls_ca_store|npm_config_registry)$/i;

/** What any program needs to know of the machine it runs on; anything else is for the caller to name. */
export function basicEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && (SURROUNDINGS.includes(name) || NETWORK.test(name))
      ? [[name, value] as const]
      : [],
  );
  return Object.fromEntries(entries);
}

function remember(pid: number): void {
  if (running.size === 0) process.on('exit', endAll);
  running.add(pid);
}

function forget(pid: number): void {
  running.delete(pid);
  if (running.size === 0) process.off('exit', endAll);
}

function endAll(): void {
  for (const pid of running) endGroup(pid);
}

function endGroup(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch {
    // It ended by itself in the meantime.
  }
}

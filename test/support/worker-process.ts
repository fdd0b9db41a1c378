import { fileURLToPath } from 'node:url';
import webpush from 'web-push';
import type { Stack } from '../../tools/local/stack.ts';
import { type LocalProcess, startProcess } from '../e2e/local/local-process.ts';
import { eventually } from './eventually.ts';

const SUPAPUSH = fileURLToPath(new URL('../../src/cli/supapush.ts', import.meta.url));

/** The VAPID pair that the functions of a stack and the workers beside them share. */
export function sharedVapid(): Record<string, string> {
  const { publicKey, privateKey } = webpush.generateVAPIDKeys();
  return {
    VAPID_PUBLIC_KEY: publicKey,
    VAPID_PRIVATE_KEY: privateKey,
    VAPID_SUBJECT: 'mailto:push@example.com',
  };
}

export interface WorkerLine {
  time: string;
  level: string;
  event: string;
  [value: string]: unknown;
}

/** `supapush worker --json` as a process of its own. */
export interface WorkerProcess extends LocalProcess {
  readonly name: string;
  readonly pid: number;
  /** What it has logged so far. */
  lines(): WorkerLine[];
  /** Resolves with the line once it has said this, as often as `count` says. */
  said(event: string, count?: number): Promise<WorkerLine>;
  /** What `/health` and `/metrics` answer. */
  ask(path: string): Promise<Response>;
  /** Ends it at once, as the kernel does, and resolves when it is gone. */
  kill(): Promise<void>;
}

/**
 * Starts a worker and resolves when it is connected.
 *
 * @param options.databaseUrl that of the stack unless given
 * @param options.command the program and what stands before `worker`; Node unless given
 */
export async function startWorker(
  stack: Stack,
  vapid: Record<string, string>,
  options: {
    name?: string;
    databaseUrl?: string;
    args?: string[];
    command?: [string, ...string[]];
    connected?: 'listening' | 'asking' | null;
  } = {},
): Promise<WorkerProcess> {
  const { name = 'worker', databaseUrl = stack.databaseUrl, args = [], connected = 'listening' } = options;
  const [program, ...before] = options.command ?? [process.execPath];
  const started = startProcess(
    program,
    [
      ...before,
      SUPAPUSH,
      'worker',
      '--json',
      '--port',
      '0',
      '--name',
      name,
      '--file',
      'no-such-file',
      ...args,
    ],
    {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      SUPABASE_URL: stack.url,
      DATABASE_URL: databaseUrl,
      ...vapid,
    },
  );
  const lines = () =>
    started.stdout.filter((line) => line.startsWith('{')).map((line): WorkerLine => JSON.parse(line));
  const said = async (event: string, count = 1): Promise<WorkerLine> => {
    const found = await eventually(
      () => {
        const { exitCode, signalCode } = started.child;
        const those = lines().filter((line) => line.event === event);
        if (those.length < count && (exitCode !== null || signalCode !== null))
          throw new Error(`The worker ended: ${[...started.stdout, ...started.stderr].join('\n')}`);
        return those;
      },
      (those) => those.length >= count,
    );
    return found[count - 1] as WorkerLine;
  };
  const status = String((await said('started')).status_url);
  if (connected !== null) await said(connected);
  return {
    ...started,
    name,
    pid: started.child.pid as number,
    lines,
    said,
    ask: (path) => fetch(`${status}${path}`),
    async kill() {
      started.child.kill('SIGKILL');
      await started.ended;
    },
  };
}

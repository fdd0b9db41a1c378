import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type DenoProcess,
  type DenoProcessOptions,
  FunctionStartError,
  type ProcessTracker,
  startDenoProcess,
} from './deno-process.ts';
import type { EdgeFunction } from './edge-function.ts';
import { ProxyError, proxyRequest } from './proxy-request.ts';
import { isUserJwt } from './user-jwt.ts';

export interface FunctionLogLine {
  function: string;
  stream: 'stdout' | 'stderr';
  line: string;
}

export interface FunctionServerOptions {
  functions: EdgeFunction[];
  projectDirectory: string;
  /** What user sessions are signed with (HS256). */
  jwtSecret: string;
  /** `SUPABASE_URL` and the like: what the platform itself gives to every function. */
  platform: Record<string, string>;
  /** The project's own secrets. */
  secrets: Record<string, string>;
  onLog?: ((line: FunctionLogLine) => void) | undefined;
  tracker?: ProcessTracker | undefined;
  /** Where imports come from; see `DenoProcessOptions`. */
  imports?: DenoProcessOptions['imports'];
  /** Processes of each function; requests go to them in turns, as to the workers of the platform. One unless given. */
  processes?: number;
  /** The functions to start at once, by their names; another starts with its first request. All of them unless given. */
  startAtOnce?: readonly string[] | undefined;
}

export interface FunctionServer {
  readonly names: string[];
  /** Serves `/functions/v1/<name>/…`. Never throws: every failure is an answer `{ message, code }`. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Resolves when every function that was started listens. Rejects with the first that cannot start. */
  ready(): Promise<FunctionState[]>;
  /** How each function is, after it listens, cannot start, or this time has passed. Never rejects. */
  settled(patienceMs: number): Promise<FunctionState[]>;
  /** The process that serves this function now, the first of several; undefined while it starts again, or is yet to start. */
  pid(name: string): number | undefined;
  /** Every process that runs now. */
  pids(): number[];
  /** Ends a function's processes as a crash would; the next request waits until one is up again. */
  kill9(name: string): void;
  stop(): Promise<void>;
}

/** A function that serves, still starts, or does not start for this reason. */
export interface FunctionState {
  name: string;
  state: 'ready' | 'starting' | 'failed';
  reason?: string;
}

/** A secret that the platform would refuse. */
export class SecretNameError extends Error {
  override readonly name = 'SecretNameError';
  readonly code = 'secret_name_reserved';
}

interface Served {
  edgeFunction: EdgeFunction;
  /** None where it is yet to start. */
  processes: DenoProcess[];
  start(): void;
  requests: number;
}

const PREFIX = '/functions/v1/';

/** Serves a project's Edge Functions, each in a Deno process of its own on loopback. Returns while they start. */
export function startFunctionServer(options: FunctionServerOptions): FunctionServer {
  const reserved = Object.keys(options.secrets).filter((name) => name.startsWith('SUPABASE_'));
  if (reserved.length > 0) {
    throw new SecretNameError(
      `Function secrets must not start with SUPABASE_, as on the platform: ${reserved.join(', ')}`,
    );
  }
  const served = new Map<string, Served>();
  let stopped = false;
  for (const edgeFunction of options.functions) {
    const startProcess = () =>
      startDenoProcess({
        edgeFunction,
        projectDirectory: options.projectDirectory,
        environment: { ...options.secrets, ...options.platform },
        onLog: (line, stream) => options.onLog?.({ function: edgeFunction.name, stream, line }),
        tracker: options.tracker,
        imports: options.imports,
      });
    const entry: Served = {
      edgeFunction,
      processes: [],
      start() {
        if (stopped || entry.processes.length > 0) return;
        entry.processes = Array.from({ length: options.processes ?? 1 }, startProcess);
      },
      requests: 0,
    };
    if (options.startAtOnce?.includes(edgeFunction.name) ?? true) entry.start();
    served.set(edgeFunction.name, entry);
  }
  const processesOf = (name: string): DenoProcess[] => {
    const entry = served.get(name);
    if (!entry)
      throw new RangeError(`no function named ${name}; there are: ${[...served.keys()].join(', ')}`);
    return entry.processes;
  };
  const all = () => [...served.values()].flatMap(({ processes }) => processes);

  return {
    names: [...served.keys()],
    async handle(request, response) {
      const path = (request.url ?? '').slice(PREFIX.length - 1);
      const name = path.slice(1).split(/[/?]/, 1)[0] ?? '';
      const entry = served.get(name);
      if (!entry) return refuse(request, response, 404, 'NOT_FOUND', 'Requested function was not found');
      // A preflight carries no credentials: as on the platform, it goes to the function.
      if (entry.edgeFunction.verifyJwt && request.method !== 'OPTIONS') {
        const refusal = jwtRefusal(request.headers.authorization, options.jwtSecret);
        if (refusal) return refuse(request, response, 401, refusal.code, refusal.message);
      }
      entry.start();
      const process = entry.processes[entry.requests % entry.processes.length];
      if (!process)
        return refuse(request, response, 503, 'function_failed_to_start', `Function ${name} is stopped`);
      entry.requests++;
      try {
        await proxyRequest(request, response, { path, port: () => process.port() });
      } catch (error) {
        if (!(error instanceof ProxyError || error instanceof FunctionStartError)) throw error;
        if (response.headersSent) response.destroy();
        else {
          const status = error.code === 'function_crashed' ? 502 : 503;
          // What a process said on its way out may hold secrets, and any page may read the answer.
          const message =
            error instanceof FunctionStartError
              ? `Function ${name} does not start. The log of the stack says why.`
              : error.message;
          refuse(request, response, status, error.code, message);
        }
      }
    },
    async ready() {
      await Promise.all(all().map((process) => process.port()));
      return [...served.keys()].map((name) => ({ name, state: 'ready' }));
    },
    settled(patienceMs) {
      const late = new AbortController();
      const states = [...served].map(async ([name, { processes }]): Promise<FunctionState> => {
        const started = Promise.all(processes.map((process) => process.port())).then(
          (): FunctionState => ({ name, state: 'ready' }),
          (error: Error): FunctionState => ({ name, state: 'failed', reason: error.message }),
        );
        const waiting = delay(patienceMs, undefined, { signal: late.signal, ref: false }).then(
          (): FunctionState => ({ name, state: 'starting' }),
          (): FunctionState => ({ name, state: 'starting' }),
        );
        return await Promise.race([started, waiting]);
      });
      return Promise.all(states).finally(() => late.abort());
    },
    pid: (name) => processesOf(name)[0]?.pid,
    pids: () => all().flatMap(({ pid }) => pid ?? []),
    kill9: (name) => {
      for (const process of processesOf(name)) process.kill9();
    },
    async stop() {
      stopped = true;
      await Promise.all(all().map((process) => process.stop()));
    },
  };
}

function jwtRefusal(
  authorization: string | undefined,
  secret: string,
): { code: string; message: string } | undefined {
  if (!authorization) {
    return { code: 'UNAUTHORIZED_NO_AUTH_HEADER', message: 'Missing authorization header' };
  }
  const token = /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];
  if (!token || !isUserJwt(token, secret)) {
    return { code: 'UNAUTHORIZED_INVALID_JWT', message: 'Invalid JWT' };
  }
  return undefined;
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
): void {
  request.resume();
  // Readable by a page of any origin, like the platform's own refusals.
  response.writeHead(status, { 'content-type': 'application/json', 'access-control-allow-origin': '*' });
  response.end(JSON.stringify({ message, code }));
}

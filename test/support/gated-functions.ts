import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type postgres from 'postgres';
import webpush from 'web-push';
import { findEdgeFunctions } from '../../tools/local/functions/edge-function.ts';
import { type FunctionServer, startFunctionServer } from '../../tools/local/functions/function-server.ts';
import { startLifetime } from '../../tools/local/lifetime.ts';
import { readLocalConfig } from '../../tools/local/local-config.ts';
import type { Stack } from '../../tools/local/stack.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';

/** One request between the database, push-dispatch and the Data API: `bell`, or the name of an RPC. */
export interface Passage {
  call: string;
  /** Which of these calls it is, from 1. */
  number: number;
  /** Before it was handed on, or before its answer is. */
  stage: 'asked' | 'answered';
}

/** Says whether what comes by may pass; its connection is dropped otherwise. */
export type Gate = (passage: Passage) => boolean | Promise<boolean>;

/** push-dispatch in a Deno process of its own, with a gate between it and everybody who calls it or is called. */
export interface GatedFunctions {
  readonly functions: FunctionServer;
  gate: Gate;
  /** Calls that are under way. */
  readonly underWay: number;
  /** What the function logged. */
  readonly log: Record<string, unknown>[];
  /** Counts calls from 1 again, and opens the gate. */
  reset(): void;
  stop(): Promise<void>;
}

/**
 * Starts it beside a stack without functions, and connects the database's bell to it.
 *
 * @param entrypoint of the function; that of push-dispatch unless given
 */
export async function startGatedFunctions(
  stack: Stack,
  sql: postgres.Sql,
  { entrypoint, secrets = {} }: { entrypoint?: string; secrets?: Record<string, string> } = {},
): Promise<GatedFunctions> {
  const lifetime = startLifetime();
  const numbers = new Map<string, number>();
  let underWay = 0;

  const server = createServer(async (incoming, outgoing) => {
    const path = new URL(incoming.url ?? '/', 'http://localhost').pathname;
    const call = path.startsWith('/functions/') ? 'bell' : (path.split('/').at(-1) ?? '');
    const number = (numbers.get(call) ?? 0) + 1;
    numbers.set(call, number);
    const passes = (stage: Passage['stage']) => gated.gate({ call, number, stage });
    // Until it is answered, not until its caller is gone: what the database was asked to do, it does.
    underWay++;
    try {
      if (!(await passes('asked'))) incoming.socket.destroy();
      else if (call === 'bell') {
        await functions.handle(incoming, outgoing);
        await passes('answered');
      } else await forward(stack.url, incoming, outgoing, () => passes('answered'));
    } catch {
      outgoing.destroy();
    } finally {
      underWay--;
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  lifetime.onEnd('gate', async () => {
    server.close();
    server.closeAllConnections();
  });

  const keys = webpush.generateVAPIDKeys();
  const log: Record<string, unknown>[] = [];
  const dispatch = (await findEdgeFunctions(await readLocalConfig(PROJECT))).filter(
    ({ name }) => name === 'push-dispatch',
  );
  const functions = startFunctionServer({
    functions: dispatch.map((one) => (entrypoint === undefined ? one : { ...one, entrypoint })),
    projectDirectory: PROJECT,
    jwtSecret: 'nobody signs in here',
    platform: { SUPABASE_URL: url, SUPABASE_SECRET_KEYS: JSON.stringify({ default: stack.secretKey }) },
    secrets: {
      VAPID_PUBLIC_KEY: keys.publicKey,
      VAPID_PRIVATE_KEY: keys.privateKey,
      VAPID_SUBJECT: 'mailto:push@example.com',
      PUSH_BELL_SECRET: BELL_SECRET,
      FCM_SERVICE_ACCOUNT: JSON.stringify(stack.fcm.serviceAccount),
      ...secrets,
    },
    onLog: ({ line }) => {
      if (line.startsWith('{')) log.push(JSON.parse(line));
    },
    tracker: lifetime,
  });
  lifetime.onEnd('functions', functions.stop);
  const gated = {
    functions,
    gate: (() => true) as Gate,
    get underWay() {
      return underWay;
    },
    log,
    reset() {
      numbers.clear();
      gated.gate = () => true;
    },
    stop: lifetime.end,
  };
  await functions.ready();
  await sql`select push.connect(${url}, ${BELL_SECRET}, ${keys.publicKey})`;
  return gated;
}

async function forward(
  target: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  passes: () => boolean | Promise<boolean>,
): Promise<void> {
  const question = await readAll(incoming);
  const { method, headers, url } = incoming;
  const forwarded = request(new URL(url ?? '/', target), { method, headers });
  forwarded.end(question);
  const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
  const body = await readAll(answer);
  if (!(await passes())) return void outgoing.destroy();
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  outgoing.end(body);
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { configureWorker, SENDING_VARIABLES } from '../server/worker/configured-worker.ts';
import { createWorkerState } from '../server/worker/worker-metrics.ts';
import { SupapushError } from '../shared/errors.ts';
import { VERSION } from '../shared/version.ts';
import { type Command, callOf } from './command.ts';
import { databaseUrlOf } from './database-url.ts';
import { defaultEnvironmentFile, SECRETS_FILE } from './environment-file.ts';
import { inWords, readSettings } from './open-database.ts';
import { openConnections } from './worker/connections.ts';
import { serveStatus } from './worker/status-server.ts';
import { asJson, asText, type WorkerLine } from './worker/worker-log.ts';

const USAGE = `Usage: ${callOf('worker', '[--database-url postgresql://…] [--port 9464] [--json]')}

Does the work of push-dispatch in a process of your own, over a connection to the database, until it gets SIGTERM or SIGINT: then it
finishes what is under way, reports it, and ends. A second signal ends it at once. Any number may run beside each other.

  --database-url  where to connect to, best as a role of its own: docs/operate/worker.md; default: DATABASE_URL or SUPABASE_DB_URL
  --port          where GET /health and GET /metrics answer (default 9464; 0: any that is free)
  --host          the address for these (default 127.0.0.1: this machine alone)
  --name          what health calls it (default: the name of this machine)
  --ask           ask every second whether there is work, and do not listen
  --file          where variables stand that the environment does not have (default .env; where init has been, ${SECRETS_FILE})
  --json          log one line of JSON per event

Variables, as push-dispatch has them: SUPABASE_URL, VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY, VAPID_PREVIOUS_KEYS, VAPID_SUBJECT,
FCM_SERVICE_ACCOUNT, PUSH_PADDING.

Exit codes: 0 ended as it was told, 1 failed, or ended at once, 2 called wrongly.`;

async function run(args: string[]): Promise<string> {
  const { values } = parseArgs({
    args,
    options: {
      'database-url': { type: 'string' },
      port: { type: 'string', default: '9464' },
      host: { type: 'string', default: '127.0.0.1' },
      name: { type: 'string', default: hostname() },
      ask: { type: 'boolean', default: false },
      file: { type: 'string', default: defaultEnvironmentFile() },
      json: { type: 'boolean', default: false },
    },
  });
  const setting = await readSettings(values.file);
  const given = values['database-url'] ?? setting('DATABASE_URL') ?? setting('SUPABASE_DB_URL');
  if (given === undefined) throw new SupapushError('usage', 'Give --database-url, or set DATABASE_URL.');
  const databaseUrl = databaseUrlOf(given);
  const port = portOf(values.port);
  const worker = await configureWorker(
    Object.fromEntries(SENDING_VARIABLES.map((name) => [name, setting(name)])),
  );

  const asLine = values.json ? asJson : asText;
  const log = (line: WorkerLine) => process.stdout.write(`${asLine(line, new Date())}\n`);
  const identity = { id: randomUUID(), name: values.name, version: VERSION };
  const state = createWorkerState(Date.now());
  const server = await serveStatus(state, identity, { host: values.host, port });
  log({ event: 'started', ...identity, status_url: server.url });
  if (worker.problem !== undefined) {
    const { code, message } = worker.problem;
    log({ event: 'channel_not_configured', code, message });
  }
  const { pool, openSession } = openConnections(databaseUrl);
  const { signal, stopWatching } = endOnSignals();
  try {
    const session = values.ask ? null : openSession;
    await worker.run({ identity, database: pool, openSession: session, state, log, signal });
  } catch (error) {
    throw inWords(error instanceof SupapushError ? (error.cause ?? error) : error, databaseUrl);
  } finally {
    stopWatching();
    await pool.close();
    await server.close();
  }
  return asLine({ event: 'stopped', claimed: state.claimed, reported: state.reported }, new Date());
}

function portOf(text: string): number {
  const port = Number(text);
  if (text.trim() !== '' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new SupapushError('usage', '--port is a number from 0 to 65535.');
}

/** Aborts on the first signal that ends a process; the second ends it at once. */
function endOnSignals(): { signal: AbortSignal; stopWatching: () => void } {
  const ending = new AbortController();
  const end = () => {
    if (ending.signal.aborted) process.exit(1);
    ending.abort();
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  return {
    signal: ending.signal,
    stopWatching() {
      process.off('SIGTERM', end);
      process.off('SIGINT', end);
    },
  };
}

export const command: Command = { usage: USAGE, run };

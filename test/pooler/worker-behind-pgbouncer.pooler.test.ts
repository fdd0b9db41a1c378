import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Stack } from '../../tools/local/stack.ts';
import { eventually } from '../support/eventually.ts';
import { duplicates, makeImpatient, settle } from '../support/impatient.ts';
import { createRecipients, deliveryStates, type Recipient } from '../support/recipients.ts';
import { startMigratedStack } from '../support/stack.ts';
import { sharedVapid, startWorker, type WorkerProcess } from '../support/worker-process.ts';
import { type PgBouncer, startPgBouncer } from './pgbouncer.ts';

const vapid = sharedVapid();
let stack: Stack;
let sql: postgres.Sql;
let recipients: [Recipient, ...Recipient[]];
let worker: WorkerProcess | undefined;
let pooler: PgBouncer | undefined;

beforeAll(async () => {
  // Only the worker sends.
  stack = await startMigratedStack({
    workers: { cron: false, net: false },
    functions: false,
    secrets: vapid,
  });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  await makeImpatient(sql);
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

beforeEach(async () => {
  await sql`delete from auth.users`;
  await sql`delete from push.dispatchers`;
  await sql`delete from push.workers`;
  stack.pushService.script('all', []);
  recipients = await createRecipients(sql, stack.pushService, 20);
});

afterEach(async () => {
  await worker?.kill();
  await pooler?.stop();
});

async function startBehind(
  settings: Record<string, string | number>,
  connected: 'listening' | 'asking',
): Promise<WorkerProcess> {
  pooler = await startPgBouncer(stack.databaseUrl, settings);
  worker = await startWorker(stack, vapid, { databaseUrl: pooler.url, connected });
  return worker;
}

const notify = (first: number, last = first) => sql`
  insert into public.push_notifications (user_id, title)
  select (${recipients.map(({ userId }) => userId)}::uuid[])[1 + n % 20], 'Message ' || n
  from generate_series(${first}::int, ${last}::int) as n`;

const arrived = () => recipients.flatMap(({ device }) => device.messages.map(({ text }) => text));

const sent = (count: number) =>
  eventually(
    () => deliveryStates(sql),
    (states) => states.sent === count && Object.keys(states).length === 1,
  );

const slowly = () =>
  stack.pushService.script('all', {
    kind: 'accept',
    answer: { afterMs: 100 },
    times: Number.POSITIVE_INFINITY,
  });

test('in session mode it listens', async () => {
  const { said } = await startBehind({ pool_mode: 'session' }, 'listening');
  await notify(1, 50);
  await sent(50);
  await said('dispatched');
  expect(duplicates('session mode', arrived())).toBe(0);
});

test.each([
  ['the connection used last', {}],
  ['each connection in its turn', { server_round_robin: 1 }],
])('in transaction mode, with %s lent first, it notices, asks, and sends', async (_, settings) => {
  const { said } = await startBehind({ pool_mode: 'transaction', ...settings }, 'asking');
  expect(await said('asking')).toMatchObject({ reason: 'pooler' });
  await notify(1, 50);
  await sent(50);
  await notify(51, 300);
  await sent(300);
  expect(duplicates('transaction mode', arrived())).toBe(0);
});

test('the pooler is restarted in the middle: nothing is lost, and nothing comes twice', async () => {
  const { lines } = await startBehind({ pool_mode: 'transaction' }, 'asking');
  slowly();
  const before = stack.pushService.received.length;
  const reached = stack.pushService.waitFor(() => true, { count: before + 100, timeoutMs: 30_000 });
  await notify(1, 600);
  await reached;
  await pooler?.restart();
  expect(await settle(sql, ['sent'])).toEqual({ sent: 600 });
  expect(new Set(arrived()).size).toBe(600);
  expect(duplicates('the pooler was restarted', arrived())).toBe(0);
  await notify(601);
  await sent(601);
  expect(lines().map(({ event }) => event)).not.toContain('stopped');
});

test('SIGTERM behind a pooler: it reports what was under way, and leaves no row', async () => {
  const { child, ended } = await startBehind({ pool_mode: 'transaction' }, 'asking');
  slowly();
  const before = stack.pushService.received.length;
  const reached = stack.pushService.waitFor(() => true, { count: before + 50, timeoutMs: 30_000 });
  await notify(1, 600);
  await reached;
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  const [underWay] = await sql`select count(*)::int as count from push.queue where lease_until is not null`;
  expect(underWay).toEqual({ count: 0 });
  expect(await sql`select from push.workers`).toHaveLength(0);
  expect((await deliveryStates(sql)).sent).toBe(arrived().length);
});

import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { denoBinary } from '../../../tools/local/functions/deno-binary.ts';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { duplicates, makeImpatient, settle } from '../../support/impatient.ts';
import { createRecipients, deliveryStates, type Recipient } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';
import { sharedVapid, startWorker, type WorkerProcess } from '../../support/worker-process.ts';

const vapid = sharedVapid();
let stack: Stack;
let sql: postgres.Sql;
let recipients: [Recipient, ...Recipient[]];
const workers: WorkerProcess[] = [];
const edge: { claimed: number }[] = [];

beforeAll(async () => {
  // Without pg_cron: where a test ticks, it says so, and what arrives without a tick was not waited for.
  stack = await startMigratedStack({
    workers: { cron: false },
    secrets: vapid,
    onFunctionLog({ line }) {
      if (line.includes('"event":"dispatched"')) edge.push(JSON.parse(line));
    },
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
  edge.length = 0;
  stack.pushService.script('all', []);
  recipients = await createRecipients(sql, stack.pushService, 20);
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
  await sql`delete from push.workers`;
});

async function worker(options: Parameters<typeof startWorker>[2] = {}): Promise<WorkerProcess> {
  const started = await startWorker(stack, vapid, { name: `worker ${workers.length + 1}`, ...options });
  workers.push(started);
  return started;
}

const notify = (first: number, last = first) => sql`
  insert into public.push_notifications (user_id, title)
  select (${recipients.map(({ userId }) => userId)}::uuid[])[1 + n % 20], 'Message ' || n
  from generate_series(${first}::int, ${last}::int) as n`;

const arrived = () =>
  recipients.flatMap(({ device }) =>
    device.messages.map(({ text }) => JSON.parse(text ?? '').notification.title as string),
  );

const sent = (count: number) =>
  eventually(
    () => deliveryStates(sql),
    (states) => states.sent === count && Object.keys(states).length === 1,
  );

/** The push service answers only after a while, so that something is under way. */
const slowly = (afterMs = 300) =>
  stack.pushService.script('all', {
    kind: 'accept',
    answer: { afterMs },
    times: Number.POSITIVE_INFINITY,
  });

const claimedBy = ({ lines }: WorkerProcess) =>
  lines()
    .filter(({ event }) => event === 'dispatched')
    .reduce((sum, { claimed }) => sum + Number(claimed), 0);

/** What happens a minute after the end of those that are dead: leases are over, and a tick finds them. */
async function aMinuteLater(dead: string[]): Promise<void> {
  await sql`update push.queue set lease_until = clock_timestamp()
    where lease_until is not null and dispatcher_id = any (${dead}::uuid[])`;
  await sql`select push.forget_starts()`;
  await sql`update push.dispatchers set lease_until = clock_timestamp() where id = any (${dead}::uuid[])`;
}

test('an idle worker sends what is committed, and no function is called; it says what it did, and how it is', async () => {
  const one = await worker();
  await notify(1);
  await sent(1);
  await notify(2, 100);
  await sent(100);
  await one.said('dispatched');
  expect(duplicates('an idle worker', arrived())).toBe(0);
  expect(edge).toEqual([]);
  expect(await (await one.ask('/health')).json()).toMatchObject({ status: 'ok', hears: 'listens' });
  const metrics = await one.ask('/metrics');
  expect(metrics.headers.get('content-type')).toContain('openmetrics-text');
  expect(await metrics.text()).toContain('supapush_worker_reported_deliveries_total{outcome="sent"} 100');
  expect((await one.ask('/')).status).toBe(404);
  const [health] = await sql`select public.push_health() -> 'workers' as workers`;
  expect(health?.workers).toMatchObject([{ name: 'worker 1', listens: true }]);
});

test('under Deno it does the same, and ends as it is told', async () => {
  const one = await worker({
    command: [denoBinary(), 'run', '--allow-all', '--no-lock', '--node-modules-dir=manual'],
  });
  await notify(1, 100);
  await sent(100);
  expect(duplicates('a worker under Deno', arrived())).toBe(0);
  expect(edge).toEqual([]);
  expect(await (await one.ask('/metrics')).text()).toContain('outcome="sent"} 100');
  one.child.kill('SIGTERM');
  expect(await one.ended).toBe(0);
  expect(one.lines().at(-1)).toMatchObject({ event: 'stopped', claimed: 100 });
});

test('two workers and push-dispatch share one backlog: each delivery is sent once', async () => {
  await sql`update push.settings set backlog_per_dispatcher = 100, max_dispatchers = 3`;
  const both = [await worker(), await worker()] as const;
  slowly(20);
  await notify(1, 2000);
  await sent(2000);
  await Promise.all(both.map((one) => one.said('dispatched')));
  await eventually(
    () => edge.length,
    (count) => count > 0,
  );
  await sql`update push.settings set backlog_per_dispatcher = 5000, max_dispatchers = 4`;
  expect(duplicates('two workers and push-dispatch', arrived())).toBe(0);
  expect(new Set(arrived()).size).toBe(2000);
  for (const one of both) expect(claimedBy(one)).toBeGreaterThan(0);
  expect(edge.reduce((sum, { claimed }) => sum + claimed, 0)).toBeGreaterThan(0);
});

test('a worker that was killed while it idled is not called: push-dispatch is, at once', async () => {
  const one = await worker();
  await one.kill();
  await notify(1);
  await sent(1);
  expect(arrived()).toHaveLength(1);
});

test('a worker that hangs when it is called is given up, and push-dispatch sends what it was called for', async () => {
  const one = await worker();
  process.kill(one.pid, 'SIGSTOP');
  await notify(1, 10);
  const [call] = await sql<{ id: string }[]>`select id from push.dispatchers where worker_id is not null`;
  await one.kill();
  await aMinuteLater([call?.id ?? '']);
  await sql`select push.tick()`;
  await sent(10);
  expect(duplicates('killed when it was called', arrived())).toBe(0);
});

test.each([
  ['after its first messages', 5],
  ['while it reports', 200],
  ['before its last messages', 590],
])(
  'a worker is killed %s: another goes on, and only what was under way comes a second time',
  async (when, messages) => {
    const one = await worker();
    slowly(100);
    const before = stack.pushService.received.length;
    const reached = stack.pushService.waitFor(() => true, { count: before + messages, timeoutMs: 30_000 });
    await notify(1, 600);
    await reached;
    await one.kill();
    stack.pushService.script('all', []);
    const underWay = await sql<{ title: string }[]>`
    select n.title from push.deliveries as d join public.push_notifications as n on n.id = d.notification_id
    where d.state = 'sending'`;
    const dead = (await sql<{ id: string }[]>`select id from push.dispatchers`).map(({ id }) => id);
    await worker();
    // This message counts on the dispatcher that is dead, unless the new worker is at work already.
    await notify(601);
    await aMinuteLater(dead);
    expect(await settle(sql, ['sent'])).toEqual({ sent: 601 });
    const titles = arrived();
    expect(new Set(titles).size).toBe(601);
    const twice = titles.filter((title, at) => titles.indexOf(title) !== at);
    expect(underWay.map(({ title }) => title)).toEqual(expect.arrayContaining(twice));
    expect(new Set(twice).size, 'none came three times').toBe(twice.length);
    duplicates(`a worker was killed ${when}`, titles);
  },
);

test('the connection by which it listens is ended: it connects again, and misses nothing', async () => {
  const one = await worker();
  for (let round = 1; round <= 3; round += 1) {
    await sql`select pg_terminate_backend(backend_pid) from push.workers`;
    // Before it is back, or after: it may not make a difference.
    await notify(round);
    await one.said('listening', round + 1);
    await sent(round);
  }
  expect(duplicates('listening lost', arrived())).toBe(0);
  expect(edge.length, 'while it was away').toBeLessThanOrEqual(3);
});

test('a crash of Postgres in the middle loses nothing, and costs no duplicate', async () => {
  const one = await worker();
  slowly(100);
  const before = stack.pushService.received.length;
  const reached = stack.pushService.waitFor(() => true, { count: before + 100, timeoutMs: 30_000 });
  await notify(1, 600);
  await reached;
  await stack.crashDatabase();
  await one.said('listening', 2);
  expect(await settle(sql, ['sent'])).toEqual({ sent: 600 });
  expect(duplicates('crash of Postgres under a worker', arrived())).toBe(0);
  expect(new Set(arrived()).size).toBe(600);
  expect(one.lines().map(({ event }) => event)).toContain('database_lost');
});

test('SIGTERM in the middle of 2,000: it reports what was under way and ends, another does the rest, and none comes twice', async () => {
  const one = await worker();
  slowly(50);
  const before = stack.pushService.received.length;
  const reached = stack.pushService.waitFor(() => true, { count: before + 300, timeoutMs: 30_000 });
  await notify(1, 2000);
  await reached;
  const two = await worker();
  one.child.kill('SIGTERM');
  expect(await one.ended).toBe(0);
  expect(await sql`select from push.workers where name = 'worker 1'`).toHaveLength(0);
  const [left] = await sql<{ count: number }[]>`
    select count(*)::int as count from push.queue as q
    where q.lease_until is not null and q.dispatcher_id <> all (array(select d.id from push.dispatchers as d))`;
  expect(left, 'nothing is left under a lease of it').toEqual({ count: 0 });
  expect(one.lines().at(-1)).toMatchObject({ event: 'stopped', level: 'info' });
  expect(one.lines().find(({ event }) => event === 'dispatched')).toMatchObject({ handedOver: true });
  await sent(2000);
  await two.said('dispatched');
  expect(duplicates('SIGTERM', arrived())).toBe(0);
  expect(new Set(arrived()).size).toBe(2000);
});

test('an idle worker ends at once on SIGINT, and the next message calls push-dispatch', async () => {
  const one = await worker();
  one.child.kill('SIGINT');
  expect(await one.ended).toBe(0);
  await notify(1);
  await sent(1);
  await eventually(
    () => edge.length,
    (count) => count === 1,
  );
});

test('a second signal ends it at once, with what is under way', async () => {
  stack.pushService.script('all', { kind: 'hang' });
  const one = await worker();
  await notify(1, 20);
  await stack.pushService.waitFor(({ status }) => status === null, { timeoutMs: 30_000 });
  one.child.kill('SIGTERM');
  await one.said('draining');
  expect(await (await one.ask('/health')).json()).toMatchObject({ status: 'draining' });
  one.child.kill('SIGTERM');
  expect(await one.ended).toBe(1);
});

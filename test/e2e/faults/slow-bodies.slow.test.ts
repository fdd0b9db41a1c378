import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { measureLatency } from '../../support/latency.ts';
import { type OpenFunction, startOpenFunction } from '../../support/open-function.ts';
import { createUser } from '../../support/postgres.ts';
import { type SlowAnswer, sendSlowly } from '../../support/slow-socket.ts';
import { startMigratedStack } from '../../support/stack.ts';
import { createSubscription, type SubscriptionInput, subscribe } from '../../support/subscriptions.ts';

const SLOW = 120;
const ENTRYPOINT = new URL('../../support/limited-push-events.ts', import.meta.url);

let stack: Stack;
let sql: postgres.Sql;
beforeAll(async () => {
  stack = await startMigratedStack({ workers: { net: false, cron: false }, functions: false });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
});
afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

async function withPushEvents(limits: object, work: (events: OpenFunction) => Promise<void>): Promise<void> {
  const secrets = { BODY_LIMITS: JSON.stringify(limits) };
  const events = await startOpenFunction('push-events', { project: stack, entrypoint: ENTRYPOINT, secrets });
  try {
    await work(events);
  } finally {
    await events.stop();
  }
}

async function release(events: OpenFunction, device: SubscriptionInput): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(events.url, {
    method: 'POST',
    headers,
    body: JSON.stringify({ release: device }),
  });
  return await answer.json();
}

async function registered(count: number): Promise<SubscriptionInput[]> {
  const devices = Array.from({ length: count }, () => createSubscription());
  for (const device of devices) await subscribe(sql, (await createUser(sql)).id, device);
  return devices;
}

test('120 bodies that do not end are answered 408 in time, again and again, and keep no other request waiting', async () => {
  await withPushEvents({ bodyMs: 400 }, async (events) => {
    const devices = await registered(60);
    const next = async () =>
      expect(await release(events, devices.pop() as SubscriptionInput)).toEqual({ released: true });
    await next();
    const before = await measureLatency('without slow bodies', next, (calls) => calls === 20);

    const answers: SlowAnswer[] = [];
    let over = false;
    const attack = Array.from({ length: SLOW }, async () => {
      while (!over) answers.push(await sendSlowly(events.port, { path: '/push-events', forMs: 20_000 }));
    });
    const during = await measureLatency(
      'with 120 slow bodies',
      next,
      (calls) => calls >= 20 && answers.length >= 2 * SLOW,
    );
    over = true;
    await Promise.all(attack);

    const slowest = Math.max(...answers.map(({ milliseconds }) => milliseconds));
    console.log(`${answers.length} slow bodies, the last answered after ${Math.round(slowest)} ms`);
    for (const { status, body } of answers) {
      expect([status, JSON.parse(body)]).toEqual([
        408,
        { code: 'body_too_slow', message: expect.any(String) },
      ]);
    }
    expect(slowest).toBeLessThan(10_000);
    expect(during.p50).toBeLessThan(before.p50 + 250);
    expect(events.lines, 'they write no line of a log').toEqual([]);
  });
});

test('beyond what a worker reads at once the oldest bodies end, and a whole body is read beside them', async () => {
  await withPushEvents({ bodyMs: 600_000, openBodies: 20 }, async (events) => {
    const [device] = await registered(1);
    const ended: (number | null)[] = [];
    const kept = Array.from({ length: SLOW }, async () => {
      const { status } = await sendSlowly(events.port, { path: '/push-events', forMs: 8000 });
      ended.push(status);
    });
    await expect.poll(() => ended.length, { timeout: 8000 }).toBe(SLOW - 20);
    expect(new Set(ended)).toEqual(new Set([408]));
    expect(await release(events, device as SubscriptionInput)).toEqual({ released: true });
    // One of those that were left made room.
    await expect.poll(() => ended.length, { timeout: 8000 }).toBe(SLOW - 19);
    await Promise.all(kept);
  });
});

test.each([
  ['push-dispatch', 'POST', 401, 'bell_refused'],
  ['push-quotes', 'POST', 401, 'bell_refused'],
  ['push-health', 'POST', 405, 'method_not_allowed'],
  ['push-events', 'PUT', 405, 'method_not_allowed'],
])('%s answers %s of a stranger before the body comes', async (name, method, status, code) => {
  const opened = await startOpenFunction(name);
  try {
    const answer = await sendSlowly(opened.port, { path: `/${name}`, method, forMs: 20_000 });
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
    expect(opened.lines).toEqual([]);
  } finally {
    await opened.stop();
  }
});

test('a type that no device sends, and a length beyond the limit, are refused before the body comes', async () => {
  await withPushEvents({}, async (events) => {
    for (const [headers, status] of [
      [{ 'content-type': 'text/plain' }, 415],
      [{ 'content-length': '32769' }, 413],
    ] as const)
      expect((await sendSlowly(events.port, { path: '/push-events', headers, forMs: 20_000 })).status).toBe(
        status,
      );
  });
});

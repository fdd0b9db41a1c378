import { beforeEach, describe, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  notify,
  type OutcomeReport,
  plus,
  queueOne,
  readDelivery,
  setSetting,
  startOfClock,
} from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

async function lastUsed(subscriptionId: string): Promise<Date | null | undefined> {
  const [row] = await db().sql<{ last_used_at: Date | null }[]>`
    select last_used_at from public.push_subscriptions where id = ${subscriptionId}`;
  return row?.last_used_at;
}

describe.each([
  ['sent', { outcome: 'sent', status: 201 }, 'sent'],
  ['gone', { outcome: 'gone', status: 410, code: 'gone', message: 'Gone' }, 'gone'],
  ['failed', { outcome: 'failed', status: 413, code: 'too_large', message: 'Payload too large' }, 'failed'],
  ['retry', { outcome: 'retry', status: 503, code: 'busy', message: 'Try later' }, 'queued'],
  ['misconfigured', { outcome: 'misconfigured', status: 403, code: 'vapid', message: 'no' }, 'queued'],
] as [string, OutcomeReport, string][])('%s', (_name, report, state) => {
  test(`leads to ${state}, with what the push service said`, async () => {
    const { sql } = db();
    const { deliveryId } = await queueOne(sql);
    const now = startOfClock();
    const claimed = await claimOne(sql, now);
    const end = plus(now, 3);
    expect(await complete(sql, end, [{ ...claimed, ...report }])).toMatchObject({
      states: { [state]: 1 },
      recorded: 1,
    });
    expect(await readDelivery(sql, deliveryId)).toMatchObject({
      state,
      claims: 1,
      lease_until: null,
      finished_at: state === 'queued' ? null : end,
      last_status: report.status,
      last_code: report.code ?? null,
      last_error: report.message ?? null,
    });
  });
});

test('only what was sent marks the device as used, with the time of the report', async () => {
  const { sql } = db();
  for (const outcome of ['failed', 'retry', 'misconfigured', 'sent'] as const) {
    await clearQueue(sql);
    const { subscriptionId } = await queueOne(sql);
    const now = startOfClock();
    const claimed = await claimOne(sql, now);
    await complete(sql, plus(now, 2), [{ ...claimed, outcome }]);
    expect(await lastUsed(subscriptionId)).toEqual(outcome === 'sent' ? plus(now, 2) : null);
  }
});

test('a device that is used is not thereby updated', async () => {
  const { sql } = db();
  const { subscriptionId } = await queueOne(sql);
  const read = () => sql`select updated_at from public.push_subscriptions where id = ${subscriptionId}`;
  const [before] = await read();
  const now = startOfClock();
  await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'sent' }]);
  expect((await read())[0]).toEqual(before);
});

test('one batch settles many deliveries, each in its own way', async () => {
  const { sql } = db();
  const outcomes = ['sent', 'gone', 'failed', 'retry'] as const;
  for (let index = 0; index < 40; index += 1) await queueOne(sql);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  const reports = claimed.map((row, index) => ({ ...row, outcome: outcomes[index % 4] as 'sent' }));
  expect(await complete(sql, now, reports)).toEqual({
    states: { sent: 10, gone: 10, failed: 10, queued: 10 },
    recorded: 40,
    subscriptions_deleted: 10,
  });
  for (const { delivery_id, outcome } of reports) {
    expect((await readDelivery(sql, delivery_id)).state).toBe(
      (outcome as string) === 'retry' ? 'queued' : outcome,
    );
  }
});

test('attempts that are used up end in failed', async () => {
  const { sql } = db();
  await setSetting(sql, 'max_attempts', 3);
  const { deliveryId } = await queueOne(sql, { ttl: 2_419_200 });
  let now = startOfClock();
  for (const state of ['queued', 'queued', 'failed']) {
    await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'retry', status: 500 }]);
    expect((await readDelivery(sql, deliveryId)).state).toBe(state);
    now = plus(now, 4000);
  }
  expect(await claim(sql, now)).toEqual([]);
  await setSetting(sql, 'max_attempts', 10);
});

test('a next attempt that would come too late ends in expired', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql, { ttl: 100 });
  const now = startOfClock();
  const claimed = await claimOne(sql, now);
  await complete(sql, now, [{ ...claimed, outcome: 'retry', status: 429, retry_after: 200 }]);
  expect(await readDelivery(sql, deliveryId)).toMatchObject({
    state: 'expired',
    last_status: 429,
    finished_at: now,
  });
});

test('an empty report settles nothing', async () => {
  expect(await complete(db().sql, startOfClock(), [])).toEqual({
    states: {},
    recorded: 0,
    subscriptions_deleted: 0,
  });
});

test('an unknown outcome or delivery changes nothing, and the others of the batch are settled', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  for (let index = 0; index < 2; index += 1) await notify(sql, user.id);
  const now = startOfClock();
  const [first, second] = await claim(sql, now);
  if (!first || !second) throw new Error('two deliveries');
  const answer = await complete(sql, now, [
    { ...first, outcome: 'exploded' as never },
    { ...second, outcome: 'sent' },
    { delivery_id: '999999999', claim_number: 1, outcome: 'sent' },
  ]);
  expect(answer).toMatchObject({ states: { sent: 1 }, recorded: 1 });
  expect((await readDelivery(sql, first.delivery_id)).state).toBe('sending');
});

test('what a push service said is cut, however long it is', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql);
  const now = startOfClock();
  const claimed = await claimOne(sql, now);
  await complete(sql, now, [
    { ...claimed, outcome: 'failed', code: 'c'.repeat(5000), message: 'm'.repeat(50_000) },
  ]);
  const { last_code, last_error } = await readDelivery(sql, deliveryId);
  expect(last_code?.length).toBeLessThanOrEqual(100);
  expect(last_error?.length).toBeLessThanOrEqual(500);
});

test('a device that is used again and again is written once an hour, and at once when there is news', async () => {
  const { sql } = db();
  const { userId, subscriptionId } = await queueOne(sql);
  const start = startOfClock();
  const send = async (when: Date) => {
    await complete(sql, when, [{ ...(await claimOne(sql, when)), outcome: 'sent', status: 201 }]);
    return await lastUsed(subscriptionId);
  };
  expect(await send(start)).toEqual(start);
  await notify(sql, userId);
  expect(await send(plus(start, 600))).toEqual(start);
  await notify(sql, userId);
  expect(await send(plus(start, 3601))).toEqual(plus(start, 3601));
  // It failed meanwhile: that it works again is news.
  await sql`update public.push_subscriptions set failures = 1, failed_at = ${plus(start, 3700)} where id = ${subscriptionId}`;
  await notify(sql, userId);
  expect(await send(plus(start, 3800))).toEqual(plus(start, 3800));
  expect(
    await sql`select failures, failed_at from public.push_subscriptions where id = ${subscriptionId}`,
  ).toEqual([{ failures: 0, failed_at: null }]);
});

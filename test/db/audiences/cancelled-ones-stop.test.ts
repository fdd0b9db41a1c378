import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, notify, plus, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { untilBlocked, withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { createTopic, fanOut, fanOutAll, notifyTopic, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

async function cancel(id: string, now = startOfClock()): Promise<number> {
  const [row] = await db().sql<{ n: string }[]>`select push.cancel(${id}, ${now}) as n`;
  return Number(row?.n);
}

test('in the middle of a fan-out: what waits is taken back, what is sent stays, no other member is reached', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 6);
  const id = await notifyTopic(sql, topic);
  await fanOut(sql, 4);
  const now = startOfClock();
  const [sent, inFlight] = await claim(sql, now, { limit: 2 });
  if (!sent || !inFlight) throw new Error('two deliveries');
  await complete(sql, now, [{ ...sent, outcome: 'sent', status: 201 }]);

  expect(await cancel(id)).toBe(2);
  await fanOutAll(sql, 4);
  expect(await readProgress(sql, id)).toEqual({
    status: 'cancelled',
    members: 4,
    total: 4,
    queued: 1,
    sent: 1,
    failed: 0,
    gone: 0,
    expired: 0,
    suppressed: 0,
    cancelled: 2,
    displayed: 0,
    clicked: 0,
    dismissed: 0,
    acted: 0,
  });
  // What was under way when it was cancelled arrives.
  await complete(sql, now, [{ ...inFlight, outcome: 'sent', status: 201 }]);
  expect(await readProgress(sql, id)).toMatchObject({ queued: 0, sent: 2, cancelled: 2 });
});

test('twice is as good as once', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 3);
  const id = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  expect(await cancel(id)).toBe(3);
  const before = await readProgress(sql, id);
  expect(await cancel(id)).toBe(3);
  expect(await readProgress(sql, id)).toEqual(before);
});

test('before its time: it is never fanned out', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 2);
  const sendAt = plus(new Date(), 3600);
  const id = await notifyTopic(sql, topic, { sendAt });
  expect(await cancel(id)).toBe(0);
  const [tick] = await sql`select push.tick(${plus(sendAt, 10)}) as result`;
  expect(tick?.result).toMatchObject({ released: 0, fanned_out: false });
  expect(await sql`select from push.deliveries`).toHaveLength(0);
});

test('a message to one user likewise, and one that was sent stays sent', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  await subscribe(sql, user.id);
  const id = await notify(sql, user.id);
  expect(await cancel(id)).toBe(2);
  expect(await claim(sql, startOfClock())).toHaveLength(0);

  const other = await notify(sql, user.id);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row) => ({ ...row, outcome: 'sent' as const, status: 201 })),
  );
  expect(await cancel(other)).toBe(0);
  expect(await readProgress(sql, other)).toMatchObject({
    status: 'cancelled',
    members: 1,
    total: 2,
    sent: 2,
  });
});

test('one that fails while it is cancelled is not tried again', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const id = await notify(sql, user.id);
  const now = startOfClock();
  const [row] = await claim(sql, now);
  if (!row) throw new Error('one delivery');
  await cancel(id);
  await complete(sql, now, [{ ...row, outcome: 'retry', status: 503 }]);
  expect(await claim(sql, plus(now, 60))).toHaveLength(0);
  const [delivery] = await sql`select state, last_code from push.deliveries`;
  expect(delivery).toEqual({ state: 'cancelled', last_code: 'notification_cancelled' });
});

test('deliveries that are not taken back yet are not handed out either', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 5);
  const id = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  await asService(sql, (t) => t`update public.push_notifications set status = 'cancelled' where id = ${id}`);
  expect(await readProgress(sql, id)).toMatchObject({ queued: 5 });
  expect(await claim(sql, startOfClock(), { limit: 2 })).toHaveLength(0);
  expect(await readProgress(sql, id)).toMatchObject({ queued: 3, cancelled: 2 });
  expect(await fanOutAll(sql)).toBe(1);
  expect(await readProgress(sql, id)).toMatchObject({ queued: 0, cancelled: 5 });
});

test('many deliveries are taken back in chunks', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 25);
  const id = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  await asService(sql, (t) => t`update public.push_notifications set status = 'cancelled' where id = ${id}`);
  for (const cancelled of [10, 20, 25]) {
    expect(await fanOut(sql, 1)).toBe(true);
    expect(await readProgress(sql, id)).toMatchObject({ cancelled });
  }
  expect(await fanOut(sql, 1)).toBe(false);
});

test('a chunk that is being made is waited for, and taken back with the rest', async () => {
  const { sql, url } = db();
  const { topic } = await createTopic(sql, 4);
  const id = await notifyTopic(sql, topic);
  await withSessions(url, 2, async (dispatcher, canceller) => {
    if (!dispatcher || !canceller) throw new Error('two sessions');
    await dispatcher.sql`begin`;
    await fanOut(dispatcher.sql, 2);
    const cancelled = canceller.sql`select push.cancel(${id}) as n`.then((rows) => Number(rows[0]?.n));
    await untilBlocked(sql, canceller);
    await dispatcher.sql`commit`;
    expect(await cancelled).toBe(2);
  });
  await fanOutAll(sql);
  expect(await readProgress(sql, id)).toMatchObject({ status: 'cancelled', total: 2, queued: 0 });
});

test('servers have it as an RPC', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 2);
  const id = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  const [row] = await asService(sql, (t) => t`select public.push_cancel(${id}) as n`);
  expect(Number(row?.n)).toBe(2);
});

test('an unknown notification is refused', async () => {
  expect(await refusalOf(db().sql`select push.cancel(${randomUUID()})`)).toMatchObject({
    sqlstate: 'PT404',
    code: 'notification_unknown',
    hint: expect.stringMatching(/\S/),
  });
});

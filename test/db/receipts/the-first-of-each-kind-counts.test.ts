import { beforeEach, expect, test } from 'vitest';
import { asService } from '../../support/postgres.ts';
import {
  claim,
  clearQueue,
  plus,
  queueOne,
  readDelivery,
  secondsBetween,
  startOfClock,
} from '../../support/queue.ts';
import { record } from '../../support/receipts.ts';
import { withSessions } from '../../support/sessions.ts';
import { createTopic, fanOutAll, notifyTopic, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await db().sql`delete from push.receipts`;
});

const receipts = async () =>
  await db()
    .sql`select delivery_id, event, action, occurred_at, recorded_at from push.receipts order by event`;

test('each event of a delivery is recorded once, however often it is said', async () => {
  const { sql } = db();
  const { deliveryId: delivery_id, notificationId } = await queueOne(sql);
  expect(await record(sql, [{ delivery_id, event: 'displayed' }])).toEqual({
    accepted: 1,
    repeated: 0,
    refused: 0,
  });
  expect(
    await record(sql, [
      { delivery_id, event: 'displayed' },
      { delivery_id, event: 'clicked' },
      { delivery_id, event: 'clicked' },
      { delivery_id, event: 'action', action: 'open' },
      { delivery_id, event: 'dismissed' },
    ]),
  ).toEqual({ accepted: 3, repeated: 2, refused: 0 });
  expect(await record(sql, [{ delivery_id, event: 'action', action: 'later' }])).toMatchObject({
    repeated: 1,
  });
  expect((await receipts()).map(({ event, action }) => [event, action])).toEqual([
    ['action', 'open'],
    ['clicked', null],
    ['dismissed', null],
    ['displayed', null],
  ]);
  expect(await readProgress(sql, notificationId)).toMatchObject({
    displayed: 1,
    clicked: 1,
    dismissed: 1,
    acted: 1,
  });
});

test('unknown deliveries and events are refused, and take no other with them', async () => {
  const { sql } = db();
  const { deliveryId: delivery_id } = await queueOne(sql);
  const counts = await record(sql, [
    { delivery_id: '9223372036854775807', event: 'clicked' },
    { delivery_id: 0, event: 'clicked' },
    { delivery_id, event: 'seen' },
    { delivery_id, event: 'displayed', action: 'open' },
  ]);
  expect(counts).toEqual({ accepted: 1, repeated: 0, refused: 3 });
  expect(await receipts()).toMatchObject([{ event: 'displayed', action: null }]);
  expect(await record(sql, [])).toEqual({ accepted: 0, repeated: 0, refused: 0 });
});

test('an action that no notification can have is recorded without its name', async () => {
  const { sql } = db();
  const { deliveryId: delivery_id } = await queueOne(sql);
  expect(await record(sql, [{ delivery_id, event: 'action', action: 'ä'.repeat(51) }])).toMatchObject({
    accepted: 1,
  });
  expect(await receipts()).toMatchObject([{ event: 'action', action: null }]);
});

test.each([
  ['in the future: now', 3600, 100],
  ['before the delivery was made: then', -86_400, 0],
  ['between the two: as said', 40, 40],
  ['not at all: now', null, 100],
])('a clock that says when it happened %s', async (_what, said, expected) => {
  const { sql } = db();
  const { deliveryId: delivery_id } = await queueOne(sql);
  const [row] = await sql`select created_at from push.deliveries where id = ${delivery_id}`;
  const made: Date = row?.created_at;
  const now = plus(made, 100);
  await record(sql, [{ delivery_id, event: 'displayed', at: said === null ? null : plus(made, said) }], now);
  const [receipt] = await receipts();
  expect(secondsBetween(made, receipt?.occurred_at)).toBeCloseTo(expected, 2);
  expect(receipt?.recorded_at).toEqual(now);
});

test('the state of the delivery stays, also when the receipt comes before the report that it was sent', async () => {
  const { sql } = db();
  const { deliveryId: delivery_id } = await queueOne(sql);
  await claim(sql, startOfClock());
  expect(await record(sql, [{ delivery_id, event: 'displayed' }])).toMatchObject({ accepted: 1 });
  expect(await readDelivery(sql, delivery_id)).toMatchObject({ state: 'sending', claims: 1 });
});

test('receipts of a message to a topic are counted, and are still known when they are gone', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 5, 2);
  const id = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  const deliveries = await sql<
    { id: string }[]
  >`select id from push.deliveries where notification_id = ${id}`;
  const all = deliveries.map((row) => ({ delivery_id: row.id, event: 'displayed' }));
  expect(await record(sql, all.slice(0, 7))).toMatchObject({ accepted: 7 });
  expect(await record(sql, all)).toEqual({ accepted: 3, repeated: 7, refused: 0 });
  await record(sql, [
    { ...all[0], event: 'clicked' } as never,
    { ...all[1], event: 'action', action: 'x' } as never,
  ]);
  const counts = { total: 10, displayed: 10, clicked: 1, dismissed: 0, acted: 1 };
  expect(await readProgress(sql, id)).toMatchObject(counts);
  await sql`delete from push.receipts`;
  await sql`truncate push.delivery_log`;
  expect(await readProgress(sql, id)).toMatchObject(counts);
  await sql`delete from public.push_notifications`;
  expect(await sql`select from push.receipt_counts`).toHaveLength(0);
});

test('a message to one user has no counts of its own: it is counted where it is', async () => {
  const { sql } = db();
  const { deliveryId: delivery_id } = await queueOne(sql);
  await record(sql, [{ delivery_id, event: 'displayed' }]);
  expect(await sql`select from push.receipt_counts`).toHaveLength(0);
});

test('servers read the counts with the progress', async () => {
  const { sql } = db();
  const { deliveryId: delivery_id, notificationId } = await queueOne(sql);
  await record(sql, [{ delivery_id, event: 'dismissed' }]);
  const [progress] = await asService(sql, (t) => t`select * from public.push_progress(${notificationId})`);
  expect(progress).toMatchObject({ displayed: '0', clicked: '0', dismissed: '1', acted: '0' });
});

test('two requests that repeat the same ones in another order both come to an end, and count each once', async () => {
  const { sql, url } = db();
  const { topic } = await createTopic(sql, 40);
  const id = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  const deliveries = await sql<
    { id: string }[]
  >`select id from push.deliveries where notification_id = ${id}`;
  const said = deliveries.flatMap((row) => [
    { delivery_id: row.id, event: 'displayed' },
    { delivery_id: row.id, event: 'clicked' },
  ]);
  await withSessions(url, 4, async (...sessions) => {
    const answers = await Promise.all(
      sessions.map((session, index) =>
        record(session.sql as never, index % 2 === 0 ? said : said.toReversed()),
      ),
    );
    expect(answers.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(80);
  });
  expect(await readProgress(sql, id)).toMatchObject({ displayed: 40, clicked: 40 });
});

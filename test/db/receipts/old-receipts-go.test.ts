import { beforeEach, expect, test } from 'vitest';
import { asService } from '../../support/postgres.ts';
import { claimOne, clearQueue, complete, plus, queueOne, startOfClock } from '../../support/queue.ts';
import { record } from '../../support/receipts.ts';
import { useDatabase } from '../../support/use-database.ts';

const DAY = 86_400;
const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await db().sql`delete from push.receipts`;
  await db().sql`truncate push.delivery_log`;
});

async function clean(now: Date, limit = 1000): Promise<number> {
  const [row] = await db().sql`select push.clean(${limit}, ${now}) as counts`;
  return row?.counts.receipts;
}

test('a receipt is kept as long as a delivery, from when it was recorded', async () => {
  const { sql } = db();
  const start = startOfClock();
  const { deliveryId: delivery_id } = await queueOne(sql);
  await record(sql, [{ delivery_id, event: 'displayed' }], start);
  await record(sql, [{ delivery_id, event: 'clicked' }], plus(start, DAY));
  expect(await clean(plus(start, 29 * DAY))).toBe(0);
  expect(await clean(plus(start, 30 * DAY))).toBe(1);
  expect((await sql`select event from push.receipts`).map(({ event }) => event)).toEqual(['clicked']);
});

test('also without the delivery; no more at once than asked for', async () => {
  const { sql } = db();
  const start = startOfClock();
  for (let count = 0; count < 3; count += 1) {
    const { deliveryId: delivery_id } = await queueOne(sql);
    await record(sql, [{ delivery_id, event: 'displayed' }], start);
  }
  await sql`truncate push.delivery_log`;
  expect([await clean(plus(start, 31 * DAY), 2), await clean(plus(start, 31 * DAY), 2)]).toEqual([2, 1]);
});

test('those whose delivery is still in the log stay and hold up no others, for a week more at most', async () => {
  const { sql } = db();
  const start = startOfClock();
  const ids: string[] = [];
  for (let count = 0; count < 4; count += 1) {
    const { deliveryId: delivery_id } = await queueOne(sql);
    ids.push(delivery_id);
    if (count < 3)
      await complete(sql, start, [{ ...(await claimOne(sql, start)), outcome: 'sent', status: 201 }]);
    await record(sql, [{ delivery_id, event: 'displayed' }], start);
  }
  const left = async () =>
    (await sql`select delivery_id from push.receipts order by 1`).map(({ delivery_id }) => delivery_id);
  const step = async (days: number) =>
    (await sql`select push.clean_receipts(2, ${plus(start, days * DAY)}) as n`)[0]?.n;
  expect([await step(1), await step(1), await step(1)]).toEqual(['0', '1', '0']);
  expect(await left()).toEqual(ids.slice(0, 3));
  expect([await step(8), await step(8)]).toEqual(['1', '2']);
  expect(await left()).toEqual([]);
});

test('health tells what devices said of what was sent lately', async () => {
  const { sql } = db();
  const now = startOfClock();
  const health = async (at: Date) =>
    (await asService(sql, (t) => t`select public.push_health(${at}) as health`))[0]?.health.receipts;
  expect(await health(now)).toEqual({});
  for (const event of ['displayed', 'displayed', 'clicked']) {
    const { deliveryId: delivery_id } = await queueOne(sql);
    await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'sent', status: 201 }]);
    await record(sql, [{ delivery_id, event }], now);
  }
  expect(await health(now)).toEqual({ displayed: 2, clicked: 1 });
  expect(await health(plus(now, 15 * 60))).toEqual({});
});

import { beforeEach, expect, test } from 'vitest';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const receipt = (delivery: string, event: string, now: Date) => db().sql`
  select public.push_record_receipts(${db().sql.json([{ delivery_id: delivery, event }])}, ${now})`;

test.each(['timed_out', 'network_error'])(
  'what a device has shown after %s is not sent again',
  async (code) => {
    const { sql } = db();
    const { deliveryId } = await queueOne(sql);
    const now = startOfClock();
    await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'retry', code }]);
    await receipt(deliveryId, 'displayed', now);
    expect(await readDelivery(sql, deliveryId)).toMatchObject({
      state: 'sent',
      last_code: 'receipt',
      finished_at: now,
    });
    expect(await claim(sql, plus(now, 3600))).toEqual([]);
  },
);

test('a receipt says nothing of what was refused, waits for its user, or was never sent', async () => {
  const { sql } = db();
  const refused = await queueOne(sql);
  const now = startOfClock();
  await complete(sql, now, [
    { ...(await claimOne(sql, now)), outcome: 'retry', status: 503, code: 'push_service_error' },
  ]);
  const fresh = await queueOne(sql);
  for (const { deliveryId } of [refused, fresh]) {
    await receipt(deliveryId, 'displayed', now);
    expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'queued' });
  }
});

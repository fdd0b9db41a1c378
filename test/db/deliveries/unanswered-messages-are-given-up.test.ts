import { beforeEach, expect, test } from 'vitest';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  plus,
  queueOne,
  readDelivery,
  secondsBetween,
  startOfClock,
} from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const MONTH = 2_419_200;
const TIMED_OUT = { outcome: 'retry', code: 'timed_out', message: 'No answer within 10000 ms.' } as const;

test('a message that is never answered is sent four times, each later than the one before, and given up', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql, { ttl: MONTH });
  let now = startOfClock();
  for (const longest of [20, 80, 320]) {
    await complete(sql, now, [{ ...(await claimOne(sql, now)), ...TIMED_OUT }]);
    const { state, due_at } = await readDelivery(sql, deliveryId);
    expect(state).toBe('queued');
    expect(secondsBetween(now, due_at)).toBeGreaterThanOrEqual(longest / 2 - 0.001);
    expect(secondsBetween(now, due_at)).toBeLessThanOrEqual(longest);
    now = plus(due_at, 0.001);
  }
  await complete(sql, now, [{ ...(await claimOne(sql, now)), ...TIMED_OUT }]);
  expect(await readDelivery(sql, deliveryId)).toMatchObject({
    state: 'failed',
    last_code: 'timed_out',
    failures: 4,
    claims: 4,
  });
  expect(await claim(sql, plus(now, 86_400))).toEqual([]);
});

test('what was surely not taken does not count: refused for a while, unreachable', async () => {
  const { sql } = db();
  const { deliveryId } = await queueOne(sql, { ttl: MONTH });
  let now = startOfClock();
  const answers = [
    { outcome: 'retry', status: 503, code: 'push_service_error' },
    TIMED_OUT,
    { outcome: 'retry', code: 'network_error' },
    TIMED_OUT,
    { outcome: 'retry', status: 429, code: 'throttled' },
    TIMED_OUT,
  ] as const;
  for (const answer of answers) {
    await complete(sql, now, [{ ...(await claimOne(sql, now)), ...answer }]);
    const { state, due_at } = await readDelivery(sql, deliveryId);
    expect(state).toBe('queued');
    now = plus(due_at, 0.001);
  }
  await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'sent', status: 201 }]);
  expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'sent' });
});

import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { expect, test } from 'vitest';
import type { ClaimedDelivery, Outcome } from '../../../src/server/channels/channel.ts';
import { dispatch } from '../../../src/server/dispatch/dispatcher.ts';
import { createPostgresQueue } from '../../bench/harness/postgres-queue.ts';
import { createUsersWithDevices } from '../../bench/harness/recipients.ts';
import { useCrowd } from '../../support/crowd.ts';
import { FCM } from '../../support/subscriptions.ts';

const { db } = useCrowd();

const DELIVERIES = 3000;
const [QUICK_MS, SLOW_MS] = [20, 5000];

test('a push service that takes 20 ms, then 5 s, then 20 ms again gets everything once, and is sent as much at once as before', async () => {
  const { sql, superuserUrl } = db();
  const superuser = postgres(superuserUrl, { max: 1, onnotice: () => {} });
  const users = await createUsersWithDevices(superuser, FCM, DELIVERIES);
  await superuser.end();
  await sql`select push.notify_many(${users}::uuid[], 'Hello', p_url => '/')`;
  const sent = new Map<number, number>();
  let begun = 0;
  let underWay = 0;
  const most = { before: 0, meanwhile: 0, afterwards: 0 };
  const channel = {
    async send({ deliveryId }: ClaimedDelivery): Promise<Outcome> {
      begun += 1;
      underWay += 1;
      // Of the first 1,300, the last 300 are slow.
      const phase = begun <= 1000 ? 'before' : begun <= 1300 ? 'meanwhile' : 'afterwards';
      most[phase] = Math.max(most[phase], underWay);
      await new Promise((resolve) => setTimeout(resolve, phase === 'meanwhile' ? SLOW_MS : QUICK_MS));
      underWay -= 1;
      sent.set(deliveryId, (sent.get(deliveryId) ?? 0) + 1);
      return { outcome: 'sent', status: 201 };
    },
  };
  const summaries = await Promise.all(
    [1, 2].map(() =>
      dispatch(randomUUID(), {
        queue: createPostgresQueue(sql),
        channels: { webpush: channel, fcm: channel },
        lingerMs: 0,
      }),
    ),
  );
  expect(summaries.reduce((sum, { outcomes }) => sum + (outcomes.sent ?? 0), 0)).toBe(DELIVERIES);
  expect(sent.size).toBe(DELIVERIES);
  expect([...sent.values()].every((times) => times === 1)).toBe(true);
  expect(await sql`select state, count(*)::int as count from push.deliveries group by state`).toEqual([
    { state: 'sent', count: DELIVERIES },
  ]);
  expect(most.afterwards).toBeGreaterThanOrEqual(most.before);
});

import { beforeEach, expect, test } from 'vitest';
import { claim, clearQueue, complete, notify, plus, queueOne, startOfClock } from '../../support/queue.ts';
import { FCM } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

test('a message that matters for 29 s is tried again before its end when its push service is back in time', async () => {
  const { sql } = db();
  const { userId, subscriptionId, deliveryId } = await queueOne(sql);
  const start = startOfClock();
  await sql`
    update push.hosts set paused_at = ${start}, probe_at = ${start}, evidence = 'unreachable', evidence_count = 10
    where origin = ${FCM}`;
  // An outage that goes on: its device has failed as a probe often enough.
  await sql`update public.push_subscriptions set failures = 5, failed_at = ${start} where id = ${subscriptionId}`;
  await sql`delete from push.queue where id = ${deliveryId}`;
  await notify(sql, userId, { ttl: 29 });
  const now = plus(start, 0.5);
  const probes = await claim(sql, now);
  await complete(
    sql,
    now,
    probes.map((row) => ({ ...row, outcome: 'retry', code: 'timed_out' })),
  );
  // The service is back a second later: another user's message shows it.
  const other = await queueOne(sql);
  const back = startOfClock();
  const accepted = (await claim(sql, back)).filter(({ delivery_id }) => delivery_id === other.deliveryId);
  await complete(
    sql,
    back,
    accepted.map((row) => ({ ...row, outcome: 'sent', status: 201 })),
  );
  const later: unknown[] = [];
  for (let seconds = 2; seconds < 28; seconds++) later.push(...(await claim(sql, plus(now, seconds))));
  expect(later).toHaveLength(1);
});

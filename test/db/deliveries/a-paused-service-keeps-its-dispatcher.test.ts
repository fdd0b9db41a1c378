import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { claim, clearQueue, plus, queueOne, startOfClock } from '../../support/queue.ts';
import { FCM } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

test('a dispatcher stays while a message waits for the next probe, half a second later', async () => {
  const { sql } = db();
  const dispatcher = randomUUID();
  const now = startOfClock();
  await claim(sql, now, { dispatcher });
  await sql`
    update push.hosts set paused_at = ${now}, probe_at = ${plus(now, 0.4)}, evidence = 'throttled', evidence_count = 3
    where origin = ${FCM}`;
  await queueOne(sql);
  const [row] = await sql`select public.push_leave(${dispatcher}, false, ${now}) as may_stop`;
  expect(row).toEqual({ may_stop: false });
});

import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { asService } from '../../support/postgres.ts';
import { claim, clearQueue, complete, plus, startOfClock } from '../../support/queue.ts';
import { createRandom } from '../../support/random-content.ts';
import { createTopic, fanOut, fanOutAll, notifyTopic, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const OUTCOMES = ['sent', 'gone', 'failed', 'retry'] as const;

test('after every step of a random run the counts are those of the deliveries', async () => {
  const { sql } = db();
  const random = createRandom(3);
  const { topic } = await createTopic(sql, 60, 2);
  const ids = [await notifyTopic(sql, topic, { ttl: 600 }), await notifyTopic(sql, topic, { ttl: 600 })];
  let now = startOfClock();
  const steps = [
    () => fanOut(sql, 7, now),
    async () => {
      const claimed = await claim(sql, now, { limit: 15 });
      const reports = claimed.slice(random(3)).map((row) => ({
        ...row,
        outcome: OUTCOMES[random(4)] as (typeof OUTCOMES)[number],
        status: 0,
      }));
      await complete(sql, now, reports);
    },
    () =>
      sql`delete from public.push_subscriptions where id in (select id from public.push_subscriptions limit 1)`,
    () => sql`select push.tick(${now})`,
  ];
  for (let step = 0; step < 80; step += 1) {
    now = plus(now, random(20));
    await steps[random(steps.length)]?.();
    for (const id of ids) {
      const states = await sql<{ state: string; count: number }[]>`
        select case when finished_at is null then 'queued' else state end as state, count(*)::int as count
        from push.deliveries where notification_id = ${id} group by 1`;
      const counted = Object.fromEntries(states.map(({ state, count }) => [state, count]));
      const { status: _status, members: _members, total, ...progress } = await readProgress(sql, id);
      expect(Object.fromEntries(Object.entries(progress).filter(([, count]) => count > 0))).toEqual(counted);
      expect(total).toBe(Object.values(counted).reduce((sum, count) => sum + count, 0));
    }
  }
  const finals = await readProgress(sql, ids[0] as string);
  for (const state of ['sent', 'gone', 'failed', 'cancelled'] as const)
    expect(finals[state]).toBeGreaterThan(0);
});

test('they stay when the deliveries themselves are gone', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 3);
  const id = await notifyTopic(sql, topic);
  await fanOutAll(sql);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row) => ({ ...row, outcome: 'sent' as const, status: 201 })),
  );
  await sql`truncate push.delivery_log`;
  expect(await readProgress(sql, id)).toMatchObject({ total: 3, sent: 3, queued: 0 });
});

test('of an unknown notification there is none', async () => {
  const rows = await asService(db().sql, (t) => t`select * from public.push_progress(${randomUUID()})`);
  expect([...rows]).toEqual([]);
});

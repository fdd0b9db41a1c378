import { beforeEach, expect, test } from 'vitest';
import { claim, clearQueue, complete, plus, queueOne, startOfClock } from '../../support/queue.ts';
import { type Session, withSessions } from '../../support/sessions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const LEASE_SECONDS = 60;
const OTHERS = 100;

/** When something happens next: a delivery becomes due, or a lease ends. */
async function nextMoment({ sql }: Session, after: Date): Promise<Date | null> {
  const [row] = await sql<{ moment: Date | null }[]>`
    select greatest(min(case state when 'queued' then due_at else lease_until end), ${plus(after, 0.1)}) as moment
    from push.deliveries where state in ('queued', 'sending')`;
  const [left] = await sql`select from push.deliveries where state in ('queued', 'sending') limit 1`;
  return left === undefined ? null : (row?.moment ?? null);
}

test('it is given up in the end, and those that were claimed together with it are sent', async () => {
  const { sql, url } = db();
  const ttl = 2_419_200;
  const poison = await queueOne(sql, { ttl });
  for (let n = 0; n < OTHERS; n++) await queueOne(sql, { ttl });
  let deaths = 0;
  // One session, so that the jitter is the same in every run.
  await withSessions(url, 1, async (session) => {
    if (session === undefined) throw new Error('one session');
    await session.sql`select setseed(0.5)`;
    for (let now: Date | null = startOfClock(); now !== null; now = await nextMoment(session, now)) {
      await session.sql`select push.recover_leases(${now})`;
      const claimed = await claim(session.sql, now);
      // Each dispatcher that claims it dies before it has reported anything.
      if (claimed.some(({ delivery_id }) => delivery_id === poison.deliveryId)) deaths++;
      else
        await complete(
          session.sql,
          now,
          claimed.map((one) => ({ ...one, outcome: 'sent' as const, status: 201 })),
        );
    }
  });

  const states = await sql`
    select id = ${poison.deliveryId} as poison, state, count(*)::int as count, max(failures) as failures
    from push.deliveries group by 1, 2 order by 1`;
  expect([...states]).toEqual([
    { poison: false, state: 'sent', count: OTHERS, failures: expect.any(Number) },
    { poison: true, state: 'failed', count: 1, failures: 10 },
  ]);
  expect(deaths).toBe(10);
  // The two that every crash costs, and a few for those that the jitter left beside it.
  expect(states[0]?.failures).toBeLessThan(6);
});

test('what was under way at a crash is handed out again at once; only a second time in a row it waits', async () => {
  const { sql } = db();
  await queueOne(sql);
  const start = startOfClock();
  expect(await claim(sql, start)).toHaveLength(1);
  const first = plus(start, LEASE_SECONDS);
  await sql`select push.recover_leases(${first})`;
  expect(await claim(sql, first)).toHaveLength(1);
  const second = plus(first, LEASE_SECONDS);
  await sql`select push.recover_leases(${second})`;
  expect(await claim(sql, second)).toHaveLength(0);
  expect(await claim(sql, plus(second, 20))).toHaveLength(1);
});

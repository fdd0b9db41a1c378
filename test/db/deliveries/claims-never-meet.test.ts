import { expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claim, complete, plus, startOfClock } from '../../support/queue.ts';
import { endsOrWaits, withSessions } from '../../support/sessions.ts';
import { APPLE, createEndpoint, FCM, MOZILLA, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const COUNT = 600;

async function queueEverywhere(): Promise<void> {
  const { sql } = db();
  const user = await createUser(sql);
  for (const origin of [FCM, MOZILLA, APPLE])
    await subscribe(sql, user.id, { endpoint: createEndpoint(origin) });
  await sql`
    insert into public.push_notifications (user_id, title)
    select ${user.id}, 'Hello ' || i from generate_series(1, ${COUNT / 3}::int) i`;
}

test('of what one open transaction has claimed, another gets nothing', async () => {
  await queueEverywhere();
  await withSessions(db().url, 2, async (a, b) => {
    if (!a || !b) throw new Error('two sessions');
    const now = startOfClock();
    await a.sql`begin`;
    const first = await claim(a.sql, now, { limit: 50 });
    const second = claim(b.sql, now, { limit: 50 });
    await endsOrWaits(db().sql, b, second);
    await a.sql`commit`;
    const ids = [...first, ...(await second)].map(({ delivery_id }) => delivery_id);
    expect(first).toHaveLength(50);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test('six claimers take everything once, through many rounds of success, failure and lost leases', async () => {
  const { sql } = db();
  await sql`delete from auth.users`;
  await queueEverywhere();
  const sent = new Map<string, number>();
  const held = new Set<string>();
  let now = startOfClock();
  for (let round = 0; sent.size < COUNT; round += 1) {
    if (round > 100) throw new Error(`Only ${sent.size} were sent.`);
    await Promise.all(
      Array.from({ length: 6 }, async (_, claimer) => {
        const rows = await claim(sql, now, { limit: 20 });
        for (const { delivery_id } of rows) {
          expect(held.has(delivery_id)).toBe(false);
          expect(sent.has(delivery_id)).toBe(false);
          held.add(delivery_id);
        }
        // One claimer in six dies every third round with all it holds.
        if (claimer === round % 6 && round % 3 === 0) return;
        const reports = rows.map((row, index) => ({
          ...row,
          outcome: (index + round) % 7 === 0 ? ('retry' as const) : ('sent' as const),
        }));
        // Free for others from the moment the report is on its way.
        for (const { delivery_id, outcome } of reports) {
          held.delete(delivery_id);
          if (outcome === 'sent') sent.set(delivery_id, (sent.get(delivery_id) ?? 0) + 1);
        }
        await complete(sql, now, reports);
      }),
    );
    now = plus(now, 61);
    await sql`select push.recover_leases(${now})`;
    held.clear();
  }
  expect([...sent.values()].every((times) => times === 1)).toBe(true);
  const states = await sql`select distinct state from push.deliveries`;
  expect([...states]).toEqual([{ state: 'sent' }]);
});

import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, plus, startOfClock } from '../../support/queue.ts';
import { endsOrWaits, withSessions } from '../../support/sessions.ts';
import { APPLE, createEndpoint, FCM, MOZILLA, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

/** So many deliveries for one device at that push service, in one statement. */
async function queueAt(origin: string, count: number): Promise<void> {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id, { endpoint: createEndpoint(origin) });
  await sql`
    insert into public.push_notifications (user_id, title)
    select ${user.id}, 'Hello ' || i from generate_series(1, ${count}::int) i`;
}

function hostsOf(rows: { host: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { host } of rows) counts[host] = (counts[host] ?? 0) + 1;
  return counts;
}

async function setLimit(limit: number): Promise<void> {
  await db().sql`update push.hosts set max_in_flight = ${limit}`;
}

async function countSending(): Promise<number> {
  const [row] = await db().sql`select count(*)::int as n from push.deliveries where state = 'sending'`;
  return row?.n;
}

test('no more than asked for', async () => {
  await queueAt(FCM, 20);
  expect(await claim(db().sql, startOfClock(), { limit: 7 })).toHaveLength(7);
  expect(await claim(db().sql, startOfClock(), { limit: 200 })).toHaveLength(13);
});

test('nothing when nothing is asked for', async () => {
  await queueAt(FCM, 3);
  expect(await claim(db().sql, startOfClock(), { limit: 0 })).toEqual([]);
});

test('no more of one push service than may be under way there', async () => {
  await setLimit(5);
  await queueAt(FCM, 20);
  const now = startOfClock();
  const first = await claim(db().sql, now);
  expect(first).toHaveLength(5);
  expect(await claim(db().sql, now)).toEqual([]);
  await complete(
    db().sql,
    now,
    first.slice(0, 2).map((row) => ({ ...row, outcome: 'sent' })),
  );
  expect(await claim(db().sql, now)).toHaveLength(2);
});

test('two claims at once stay below that limit together', async () => {
  await setLimit(5);
  await queueAt(FCM, 30);
  await withSessions(db().url, 2, async (a, b) => {
    if (!a || !b) throw new Error('two sessions');
    const now = startOfClock();
    await a.sql`begin`;
    const first = await claim(a.sql, now);
    // The second may wait for the first or find nothing; what it may not is to count without it.
    const second = claim(b.sql, now);
    await endsOrWaits(db().sql, b, second);
    await a.sql`commit`;
    expect(first.length + (await second).length).toBeLessThanOrEqual(5);
  });
  expect(await countSending()).toBeLessThanOrEqual(5);
});

test('eight claimers at once stay below that limit together', async () => {
  await setLimit(10);
  await queueAt(FCM, 200);
  await queueAt(MOZILLA, 200);
  const { sql } = db();
  const now = startOfClock();
  for (let round = 0; round < 10; round += 1) {
    const claimed = (await Promise.all(Array.from({ length: 8 }, () => claim(sql, now)))).flat();
    expect(hostsOf(claimed)).toEqual({ [FCM]: 10, [MOZILLA]: 10 });
    await complete(
      sql,
      now,
      claimed.map((row) => ({ ...row, outcome: 'sent' })),
    );
  }
});

test('a lease that is over counts no longer', async () => {
  await setLimit(5);
  await queueAt(FCM, 10);
  const now = startOfClock();
  await claim(db().sql, now);
  expect(await claim(db().sql, plus(now, 61))).toHaveLength(5);
});

test('a paused push service is left alone until its pause is over', async () => {
  const { sql } = db();
  await queueAt(FCM, 3);
  await queueAt(APPLE, 3);
  const now = startOfClock();
  await sql`update push.hosts set paused_until = ${plus(now, 60)} where origin = ${FCM}`;
  expect(hostsOf(await claim(sql, now))).toEqual({ [APPLE]: 3 });
  expect(await claim(sql, plus(now, 59))).toEqual([]);
  expect(hostsOf(await claim(sql, plus(now, 60)))).toEqual({ [FCM]: 3 });
});

test('a long queue of one push service does not hold up another', async () => {
  const { sql } = db();
  await queueAt(FCM, 300);
  await queueAt(APPLE, 5);
  await queueAt(MOZILLA, 40);
  const claimed = await claim(sql, startOfClock(), { limit: 60 });
  // Turns: the short queue is served whole, the others share the rest.
  expect(hostsOf(claimed)).toEqual({ [APPLE]: 5, [FCM]: 28, [MOZILLA]: 27 });
});

test('within one push service the oldest go first', async () => {
  const { sql } = db();
  await queueAt(FCM, 10);
  const claimed = await claim(sql, startOfClock(), { limit: 4 });
  const oldest = await sql`select id from push.deliveries order by due_at, id limit 4`;
  expect(claimed.map(({ delivery_id }) => delivery_id).sort()).toEqual(oldest.map(({ id }) => id).sort());
});

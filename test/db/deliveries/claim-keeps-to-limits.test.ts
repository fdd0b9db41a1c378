import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, plus, startOfClock } from '../../support/queue.ts';
import { endsOrWaits, withSessions } from '../../support/sessions.ts';
import { APPLE, createEndpoint, FCM, MOZILLA, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

/** So many deliveries at that push service, each for a user of its own, in one statement. */
async function queueAt(origin: string, count: number): Promise<void> {
  const { sql } = db();
  const users: string[] = [];
  for (let n = 0; n < count; n++) {
    const { id } = await createUser(sql);
    await subscribe(sql, id, { endpoint: createEndpoint(origin) });
    users.push(id);
  }
  await sql`
    insert into public.push_notifications (user_id, title)
    select id, 'Hello' from unnest(${users}::uuid[]) as id`;
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
  await queueAt(FCM, 60);
  await queueAt(MOZILLA, 60);
  const { sql } = db();
  const now = startOfClock();
  for (let round = 0; round < 5; round += 1) {
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

test('a paused push service gets a few probes at a time, and nothing in between', async () => {
  const { sql } = db();
  await queueAt(FCM, 5);
  await queueAt(APPLE, 3);
  const now = startOfClock();
  await sql`update push.hosts set paused_at = ${now}, probe_at = ${plus(now, 1)} where origin = ${FCM}`;
  expect(hostsOf(await claim(sql, now))).toEqual({ [APPLE]: 3 });
  expect(hostsOf(await claim(sql, plus(now, 1)))).toEqual({ [FCM]: 3 });
  expect(await claim(sql, plus(now, 1.4))).toEqual([]);
  expect(hostsOf(await claim(sql, plus(now, 1.5)))).toEqual({ [FCM]: 2 });
});

test('one user has no more than a share, and hides no other user behind it', async () => {
  const { sql } = db();
  const greedy = await createUser(sql);
  await subscribe(sql, greedy.id);
  await sql`
    insert into public.push_notifications (user_id, title)
    select ${greedy.id}, 'Mine ' || n from generate_series(1, 1000) as n`;
  await queueAt(FCM, 3);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  expect(claimed.filter(({ user_id }) => user_id === greedy.id)).toHaveLength(25);
  expect(claimed.filter(({ user_id }) => user_id !== greedy.id)).toHaveLength(3);
  // Who has enough is named by the dispatcher; what was put off comes back within a second.
  expect(await claim(sql, plus(now, 2), { busyUsers: [greedy.id] })).toEqual([]);
  expect(await claim(sql, plus(now, 4))).toHaveLength(25);
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

import type postgres from 'postgres';
import { beforeAll, expect, test } from 'vitest';
import { fillQueue, pause, resume } from '../../support/pauses.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, complete, notify, plus, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const BACKLOG = 100_000;
const CLAIMED = 100;

const db = useDatabase();
let users: string[];
let now: Date;

/** Rows of `push.deliveries` that `work` reads, and how long it takes. */
async function costOf(work: (sql: postgres.TransactionSql) => Promise<unknown>) {
  return await db().sql.begin(async (sql) => {
    const count = async () => {
      const [row] = await sql<{ read: number }[]>`
        select (seq_tup_read + idx_tup_fetch)::int as read
        from pg_stat_xact_user_tables where relid = 'push.queue'::regclass`;
      return (row as { read: number }).read;
    };
    const before = await count();
    const since = performance.now();
    await work(sql);
    const milliseconds = performance.now() - since;
    return { read: (await count()) - before, milliseconds };
  });
}

/** A claim of others' messages, fresh ones that stand behind everything else; they are sent afterwards. */
async function costOfClaim() {
  await fillQueue(db().sql, users, CLAIMED, 'feed');
  let titles: string[] = [];
  const claimed: Awaited<ReturnType<typeof claim>> = [];
  const cost = await costOf(async (sql) => {
    claimed.push(...(await claim(sql, now, { limit: CLAIMED })));
    titles = claimed.map(({ category }) => category ?? '');
  });
  expect(new Set(titles)).toEqual(new Set(['feed']));
  expect(titles).toHaveLength(CLAIMED);
  await complete(
    db().sql,
    now,
    claimed.map((delivery) => ({ ...delivery, outcome: 'sent' as const, status: 201 })),
  );
  return cost;
}

async function usualCost() {
  // So that both times no dead rows of what was before are counted.
  await db().sql`vacuum push.queue`;
  const costs = [];
  for (let n = 0; n < 15; n++) costs.push(await costOfClaim());
  const middle = (values: number[]) => values.sort((a, b) => a - b)[7] ?? 0;
  return {
    read: middle(costs.map(({ read }) => read)),
    milliseconds: middle(costs.map(({ milliseconds }) => milliseconds)),
  };
}

// As it is in use: statistics were taken while nothing waited.
beforeAll(async () => {
  const { sql } = db();
  users = [];
  for (let n = 0; n < 20; n++) {
    const { id } = await createUser(sql);
    await subscribe(sql, id);
    users.push(id);
  }
  await sql`insert into public.push_categories (key, title) values ('alerts', 'Alerts'), ('feed', 'Feed')`;
  await fillQueue(sql, users, 1000, 'feed');
  await sql`select push.end_deliveries(array(select id from push.queue), 'sent', null, now())`;
  await sql`vacuum analyze push.queue`;
  // Otherwise a claim also counts how deep the backlog is, as far as that matters.
  await sql`update push.settings set max_dispatchers = 1`;
  now = plus(startOfClock(), 600);
});

let unpaused: Awaited<ReturnType<typeof usualCost>>;

test(`with ${BACKLOG.toLocaleString('en')} of a paused category in front of them, a claim of others costs what it did`, async () => {
  const { sql } = db();
  unpaused = await usualCost();
  await fillQueue(sql, users, BACKLOG, 'alerts');

  const paused = await costOf((t) => pause(t, now, { category: 'alerts' }));
  const chunks: number[] = [];
  for (;;) {
    const { milliseconds } = await costOf(async (t) => expect(await claim(t, now)).toEqual([]));
    chunks.push(Math.round(milliseconds));
    const [row] = await sql<{ due: boolean }[]>`select push.has_due(${now}) as due`;
    if (!row?.due) break;
  }
  const beside = await usualCost();
  console.log(
    `pause: ${Math.round(paused.milliseconds)} ms; the claims that put the rest aside: ${chunks.join(', ')} ms; ` +
      `a claim of ${CLAIMED} before: ${unpaused.read} rows, ${unpaused.milliseconds.toFixed(1)} ms; ` +
      `beside the pause: ${beside.read} rows, ${beside.milliseconds.toFixed(1)} ms`,
  );
  expect(chunks.length).toBeLessThanOrEqual(BACKLOG / 5000);
  // The look at the first few of each queue.
  expect(beside.read).toBeLessThanOrEqual(unpaused.read + 50);
}, 180_000);

test('a new message of it is put aside as it is written', async () => {
  const { sql } = db();
  await notify(sql, users[0] ?? '', { category: 'alerts' });
  const { read } = await costOf((t) => claim(t, now));
  expect(read).toBeLessThan(50);
  const [row] = await sql`select count(*)::int as parked from push.deliveries where parked_by is not null`;
  expect(row?.parked).toBe(BACKLOG + 1);
});

test('its end lets it go in chunks, the oldest first', async () => {
  const { sql } = db();
  const { milliseconds } = await costOf((t) => resume(t, now, { category: 'alerts' }));
  const [row] = await sql`
    select count(*)::int as returned, max(d.id) < (select min(p.id) from push.deliveries as p where p.parked_by is not null) as oldest
    from push.deliveries as d where d.state = 'queued' and d.parked_by is null`;
  console.log(`resume: ${Math.round(milliseconds)} ms, then ${row?.returned} wait to be sent`);
  expect(row).toEqual({ returned: 5000, oldest: true });
  expect(await claim(sql, now, { limit: CLAIMED })).toHaveLength(CLAIMED);
});

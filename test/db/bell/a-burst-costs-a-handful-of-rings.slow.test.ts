import { beforeEach, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import { clearQueue, notify } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
});

const countDeliveries = async () => (await db().sql`select count(*)::int as n from push.deliveries`)[0]?.n;

test('10,000 notifications in one statement', async () => {
  const { sql } = db();
  await sql`
    insert into public.push_notifications (user_id, title) select ${user}, 'Hello ' || i from generate_series(1, 10000) i`;
  expect(await countDeliveries()).toBe(10_000);
  expect(await countRings(sql)).toBe(1);
});

test('10,000 statements in one transaction', async () => {
  const { sql } = db();
  const rings = await sql.begin(async (t) => {
    await t.unsafe(`
      do $$ begin
        for i in 1 .. 10000 loop
          insert into public.push_notifications (user_id, title) values ('${user}', 'Hello ' || i);
        end loop;
      end $$`);
    return await countRings(t);
  });
  expect(await countDeliveries()).toBe(10_000);
  expect(rings).toBeGreaterThan(0);
  expect(rings).toBeLessThanOrEqual(3);
});

test('a transaction that writes for ten minutes', async () => {
  const { sql } = db();
  const rings = await sql.begin(async (t) => {
    for (let second = 0; second < 600; second += 5) {
      await t`select push.wake(clock_timestamp() + make_interval(secs => ${second}))`;
    }
    return await countRings(t);
  });
  expect(rings).toBeGreaterThan(0);
  expect(rings).toBeLessThanOrEqual(3);
});

test('300 commits one after the other', async () => {
  const { sql } = db();
  for (let index = 0; index < 300; index += 1) await notify(sql, user);
  expect(await countRings(sql)).toBe(1);
});

test('200 commits from ten connections at once: at most one ring for each connection', async () => {
  const { sql } = db();
  await Promise.all(Array.from({ length: 200 }, () => notify(sql, user)));
  const rings = await countRings(sql);
  expect(rings).toBeGreaterThan(0);
  expect(rings).toBeLessThanOrEqual(10);
});

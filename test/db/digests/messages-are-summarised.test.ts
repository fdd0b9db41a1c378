import { expect, test } from 'vitest';
import {
  closeDigests,
  defineDigest,
  outcomeOf,
  readSummaries,
  release,
  statusOf,
  write,
} from '../../support/digests.ts';
import { asService, createUser } from '../../support/postgres.ts';
import { claim, plus } from '../../support/queue.ts';
import { useLimits } from '../../support/use-limits.ts';

const HOUR = 3600;
const { db, user, start } = useLimits({ devices: 2 });

const key = 'deals:42';
const add = (title: string, values = {}) => write(db().sql, user(), { title, digest_key: key, ...values });
const end = () => plus(start(), HOUR);

test('all messages of a window reach each device as one, and stay in the inbox', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  const ids = [await add('First'), await add('Second'), await add('Third')];
  for (const id of ids) expect(await outcomeOf(sql, id)).toEqual(['digested']);
  expect(await closeDigests(sql, plus(start(), HOUR - 2))).toBe(0);
  expect(await closeDigests(sql, end())).toBe(1);
  const [summary, ...others] = await readSummaries(sql);
  expect(others).toEqual([]);
  expect(summary).toMatchObject({ title: 'Third', body: 'and 2 more', inbox: false, status: 'queued' });
  expect(summary?.params).toMatchObject({ count: 3, digest_key: key });
  expect(summary?.params.items.map(({ title }) => title)).toEqual(['Third', 'Second', 'First']);
  expect(await claim(sql, end())).toHaveLength(2);
  const inbox = await sql`
    select id from public.push_notifications where user_id = ${user()} and inbox and digest_id = ${summary?.digest_id ?? ''}`;
  expect(inbox.map(({ id }) => id).sort()).toEqual(ids.sort());
  expect(await closeDigests(sql, plus(end(), HOUR))).toBe(0);
});

test('after the window another one begins, whether the tick has come by or not', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await add('First', { send_at: plus(start(), 60) });
  await add('Second', { send_at: plus(start(), 60 + HOUR) });
  await add('Third', { send_at: plus(start(), 60 + HOUR + HOUR / 2) });
  for (const at of [60, 60 + HOUR, 60 + HOUR + HOUR / 2]) await release(sql, plus(start(), at));
  expect(await closeDigests(sql, plus(start(), 3 * HOUR))).toBe(2);
  expect((await readSummaries(sql)).map(({ params }) => params.count).sort()).toEqual([1, 2]);
});

test('each key and each user has a digest of its own', async () => {
  const { sql } = db();
  const other = (await createUser(sql)).id;
  await defineDigest(sql, 'deals');
  await add('A');
  await add('B', { digest_key: 'deals:7' });
  await write(sql, other, { title: 'C', digest_key: key });
  expect(await closeDigests(sql, end())).toBe(3);
  const summaries = await readSummaries(sql);
  expect(summaries.map(({ title, user_id }) => [title, user_id]).sort()).toEqual([
    ['A', user()],
    ['B', user()],
    ['C', other],
  ]);
});

test('the policy is that of the longest prefix', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { window: '1 day' });
  await defineDigest(sql, 'deals:42', { window: '1 hour', title: 'Deal 42' });
  await add('A', { digest_key: 'deals:42:comments' });
  await add('B', { digest_key: 'deals:421' });
  expect(await closeDigests(sql, end())).toBe(1);
  expect((await readSummaries(sql)).map(({ title }) => title)).toEqual(['Deal 42']);
});

test('a leading digest sends the first at once, and the rest as one', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { leading: true });
  const ids = [await add('First'), await add('Second'), await add('Third')];
  expect(await Promise.all(ids.map((id) => statusOf(sql, id)))).toEqual(['queued', 'digested', 'digested']);
  await closeDigests(sql, end());
  expect((await readSummaries(sql)).map(({ params }) => params.count)).toEqual([2]);
});

test('of a leading digest nothing more comes when nothing followed', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { leading: true });
  await add('Only');
  expect(await closeDigests(sql, end())).toBe(1);
  expect(await readSummaries(sql)).toEqual([]);
  const [digest] = await sql`select items::int, summary_id from push.digests`;
  expect(digest).toEqual({ items: 0, summary_id: null });
});

test('many in one statement: one leads, the others wait', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { leading: true });
  const others = await Promise.all(Array.from({ length: 20 }, () => createUser(sql)));
  await sql`
    insert into public.push_notifications (user_id, title, digest_key)
    select u, 'Nr ' || i, ${key} from unnest(${others.map(({ id }) => id)}::uuid[]) u, generate_series(1, 5) i`;
  const rows =
    await sql`select status, count(*)::int as n from public.push_notifications group by status order by 1`;
  expect([...rows]).toEqual([
    { status: 'digested', n: 80 },
    { status: 'queued', n: 20 },
  ]);
  await closeDigests(sql, end());
  expect((await readSummaries(sql)).map(({ params }) => params.count)).toEqual(Array(20).fill(4));
});

test('a digest that holds enough does not wait for the end of its window', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { maxItems: 3 });
  for (let index = 1; index <= 4; index += 1) await add(`Nr ${index}`);
  expect(await closeDigests(sql, start())).toBe(1);
  expect((await readSummaries(sql)).map(({ params }) => params.count)).toEqual([3]);
  await closeDigests(sql, end());
  expect((await readSummaries(sql)).map(({ params }) => params.count)).toEqual([3, 1]);
});

test('what was cancelled, read or deleted meanwhile does not count', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  const [cancelled, read, deleted] = [await add('A'), await add('B'), await add('C')];
  await add('D');
  await sql`select push.cancel(${cancelled as string})`;
  await sql`update public.push_notifications set read_at = now() where id = ${read as string}`;
  await asService(sql, (t) => t`delete from public.push_notifications where id = ${deleted as string}`);
  await closeDigests(sql, end());
  const [summary] = await readSummaries(sql);
  expect(summary).toMatchObject({ title: 'D', params: { count: 1 } });
});

test('when all were cancelled or read, nothing is pushed', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  const [cancelled, read] = [await add('A'), await add('B')];
  await sql`select push.cancel(${cancelled as string})`;
  await sql`update public.push_notifications set read_at = now() where id = ${read as string}`;
  expect(await closeDigests(sql, end())).toBe(1);
  expect(await readSummaries(sql)).toEqual([]);
  expect(await claim(sql, end())).toEqual([]);
});

test('a lifetime by default begins with the summary; what has an end before it does not count', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { window: '7 days' });
  await add('Lunch is served', { expires_at: plus(start(), HOUR) });
  const id = await add('A comment');
  const week = plus(start(), 7 * 24 * HOUR);
  await closeDigests(sql, week);
  const [summary] = await readSummaries(sql);
  expect(summary).toMatchObject({ title: 'A comment', params: { count: 1 } });
  expect(summary?.send_at).toEqual(week);
  // A day, as the settings have it, from the end of the window on.
  const [item] = await sql`
    select n.expires_at, d.opened_at from public.push_notifications as n join push.digests as d on d.id = n.digest_id
    where n.id = ${id}`;
  expect(item?.expires_at).toEqual(plus(item?.opened_at, 8 * 24 * HOUR));
  expect(summary?.expires_at).toEqual(item?.expires_at);
  expect(await statusOf(sql, id)).toBe('digested');
});

test('it has the highest urgency, the newest category, and a tag by which a later one replaces it', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await add('A', { urgency: 'low', category: 'deals:old', ttl: 600 });
  await add('B', { urgency: 'high', category: 'deals:old', ttl: 900 });
  await add('C', { urgency: 'very-low', category: 'deals:new', ttl: 60 });
  await closeDigests(sql, end());
  const [summary] = await readSummaries(sql);
  expect(summary).toMatchObject({ urgency: 'high', category: 'deals:new', tag: 'digest:deals:42', ttl: 900 });
});

test('a scheduled message joins at its moment', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  const id = await add('Later', { send_at: plus(start(), 30 * 60) });
  await add('Now');
  expect(await statusOf(sql, id)).toBe('scheduled');
  await release(sql, plus(start(), 30 * 60));
  expect(await outcomeOf(sql, id)).toEqual(['digested']);
  await closeDigests(sql, end());
  expect((await readSummaries(sql)).map(({ params }) => params.count)).toEqual([2]);
});

test('a message released after its end joins nothing', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await add('Later', { send_at: plus(start(), 60), expires_at: plus(start(), 120) });
  await release(sql, plus(start(), 600));
  expect(await sql`select from push.digests`).toHaveLength(0);
});

test('a repeated idempotency key counts once', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  for (let index = 0; index < 3; index += 1) {
    await sql`
      insert into public.push_notifications (user_id, title, digest_key, idempotency_key)
      values (${user()}, 'Hello', ${key}, 'once') on conflict do nothing`;
  }
  await closeDigests(sql, end());
  expect((await readSummaries(sql)).map(({ params }) => params.count)).toEqual([1]);
});

test('a critical message waits for nothing', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await sql`insert into public.push_categories (key, title, critical) values ('security', 'Security', true)`;
  const id = await add('New sign-in', { category: 'security:sign-in' });
  expect(await outcomeOf(sql, id)).toEqual(['queued', 'queued', 'queued']);
  expect(await sql`select from push.digests`).toHaveLength(0);
});

test('the tick makes the summaries', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await add('A');
  const [row] = await sql`select push.tick(${end()}) as result`;
  expect(row?.result).toMatchObject({ summarised: 1 });
  expect(await readSummaries(sql)).toHaveLength(1);
});

test('no more are made at once than asked for', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  for (let index = 0; index < 5; index += 1) await add('A', { digest_key: `deals:${index}` });
  expect(await closeDigests(sql, end(), 3)).toBe(3);
  expect(await closeDigests(sql, end(), 3)).toBe(2);
  expect(await readSummaries(sql)).toHaveLength(5);
});

import type postgres from 'postgres';
import { expect, test } from 'vitest';
import {
  closeDigests,
  defineDigest,
  type Message,
  outcomeOf,
  readSummaries,
  release,
  statusOf,
  write,
} from '../../support/digests.ts';
import { createUser } from '../../support/postgres.ts';
import { plus } from '../../support/queue.ts';
import { untilBlocked, withSessions } from '../../support/sessions.ts';
import { throttle } from '../../support/throttles.ts';
import { useLimits } from '../../support/use-limits.ts';

const MINUTE = 60;
const HOUR = 3600;
const { db, user, start, arrive } = useLimits();

const add = (category?: string, values: Message = {}) =>
  write(db().sql, user(), { ...(category === undefined ? {} : { category }), ...values });

/** Writes a message for that moment and lets it come; returns its status. */
const at = (seconds: number, category = 'alerts', values: Message = {}) =>
  arrive(plus(start(), seconds), { category, ...values });

test('messages beyond the limit stay in the inbox, and their deliveries say why', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 2);
  const [first, second, third] = [await add('alerts'), await add('alerts:DAX'), await add('alerts')];
  expect(await outcomeOf(sql, first as string)).toEqual(['queued', 'queued']);
  expect(await outcomeOf(sql, second as string)).toEqual(['queued', 'queued']);
  expect(await outcomeOf(sql, third as string)).toEqual(['suppressed', 'suppressed throttled']);
  const [progress] = await sql`select * from push.progress(${third as string})`;
  expect(progress).toMatchObject({ status: 'suppressed', suppressed: '1', queued: '0' });
});

test('in no interval of that length is there one more, and as soon as there is room one goes', async () => {
  await throttle(db().sql, 'alerts', 3);
  const moments = [
    1,
    20 * MINUTE,
    59 * MINUTE,
    HOUR,
    HOUR + 1,
    HOUR + 2,
    HOUR + 20 * MINUTE - 1,
    HOUR + 20 * MINUTE,
  ];
  const statuses: string[] = [];
  for (const moment of moments) statuses.push(await at(moment));
  expect(statuses).toEqual([
    'queued',
    'queued',
    'queued',
    'suppressed',
    'queued',
    'suppressed',
    'suppressed',
    'queued',
  ]);
});

test('what was held back does not count towards the limit', async () => {
  await throttle(db().sql, 'alerts', 1);
  expect(await at(0)).toBe('queued');
  for (const minute of [10, 20, 30, 40, 50]) expect(await at(minute * MINUTE)).toBe('suppressed');
  expect(await at(HOUR)).toBe('queued');
});

test('within one statement the first ones go', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 2);
  const other = (await createUser(sql)).id;
  await sql`
    insert into public.push_notifications (user_id, title, category)
    select u, i::text, 'alerts' from generate_series(1, 4) i, unnest(${[user(), other]}::uuid[]) u order by i`;
  const rows = await sql`select user_id, title, status from public.push_notifications order by title`;
  for (const id of [user(), other]) {
    expect(rows.filter((row) => row.user_id === id).map(({ status }) => status)).toEqual([
      'queued',
      'queued',
      'suppressed',
      'suppressed',
    ]);
  }
});

test('each user, and each category with a row of its own, has a limit of its own', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1);
  await throttle(sql, 'alerts:DAX', 1);
  const other = (await createUser(sql)).id;
  const ids = [
    await add('alerts:DOW'),
    await add('alerts:DAX:high'),
    await write(sql, other, { category: 'alerts' }),
  ];
  for (const id of ids) expect(await statusOf(sql, id)).toBe('queued');
  expect(await statusOf(sql, await add('alerts:MDAX'))).toBe('suppressed');
  expect(await statusOf(sql, await add('alerts:DAX'))).toBe('suppressed');
});

test('messages outside the category are not counted', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1);
  await throttle(sql, 'alerts:security', null, null);
  for (const category of [undefined, 'alertsX', 'alerts:security', 'news'])
    for (let index = 0; index < 2; index += 1)
      expect(await statusOf(sql, await add(category))).toBe('queued');
  expect(await statusOf(sql, await add('alerts'))).toBe('queued');
  expect(await sql`select from push.throttle_log`).toHaveLength(1);
});

test('a repeated idempotency key counts nothing', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 2);
  for (let index = 0; index < 3; index += 1)
    await sql`select push.notify(${user()}, 'Hello', p_category => 'alerts', p_idempotency_key => 'once')`;
  expect(await statusOf(sql, await add('alerts'))).toBe('queued');
});

test('a scheduled message counts at its moment', async () => {
  await throttle(db().sql, 'alerts', 1);
  await add('alerts', { send_at: plus(start(), 2 * HOUR) });
  expect(await at(10)).toBe('queued');
  expect(await at(20)).toBe('suppressed');
});

test('with an overflow, what is beyond the limit is summarised, and no leading digest lets it through', async () => {
  const { sql } = db();
  await defineDigest(sql, 'alerts', { leading: true });
  await throttle(sql, 'alerts', 2, '1 hour', { overflow: 'alerts:more' });
  const statuses: string[] = [];
  for (let index = 0; index < 5; index += 1) statuses.push(await statusOf(sql, await add('alerts:DAX')));
  expect(statuses).toEqual(['queued', 'queued', 'digested', 'digested', 'digested']);
  await closeDigests(sql, plus(start(), HOUR));
  expect(await readSummaries(sql)).toMatchObject([
    { params: { count: 3, digest_key: 'alerts:more' }, status: 'queued' },
  ]);
});

test('a summary is not held back, and counts', async () => {
  const { sql } = db();
  await defineDigest(sql, 'alerts', { window: '10 minutes' });
  await throttle(sql, 'alerts', 1, '1 hour', { overflow: 'alerts' });
  expect(await at(0)).toBe('queued');
  expect(await at(10)).toBe('digested');
  await closeDigests(sql, plus(start(), 11 * MINUTE));
  expect((await readSummaries(sql)).map(({ status }) => status)).toEqual(['queued']);
  expect(await at(HOUR + MINUTE)).toBe('digested');
});

test('what waits in a digest takes no place, and what would lead one beyond the limit waits in it', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { leading: true });
  await throttle(sql, 'crm', 2);
  const deal = { digest_key: 'deals:1' };
  expect(await statusOf(sql, await add('crm', deal))).toBe('queued');
  for (let index = 0; index < 3; index += 1)
    expect(await statusOf(sql, await add('crm', deal))).toBe('digested');
  expect(await statusOf(sql, await add('crm'))).toBe('queued');
  expect(await statusOf(sql, await add('crm', { digest_key: 'deals:2' }))).toBe('digested');
  await closeDigests(sql, plus(start(), HOUR));
  expect((await readSummaries(sql)).map(({ params }) => params.count).sort()).toEqual([1, 3]);
});

test('transactions that write at once keep to it together', { timeout: 60_000 }, async () => {
  const { sql, url } = db();
  await throttle(sql, 'alerts', 7);
  await withSessions(url, 30, async (...sessions) => {
    for (let run = 0; run < 5; run += 1) {
      const { id } = await createUser(sql);
      await Promise.all(sessions.map((session) => write(session.sql, id, { category: 'alerts' })));
      const [row] = await sql`
        select count(*) filter (where status = 'queued')::int as pushed, count(*)::int as written
        from public.push_notifications where user_id = ${id}`;
      expect(row).toEqual({ pushed: 7, written: 30 });
    }
  });
});

test('messages that are rolled back are not counted', async () => {
  const { sql, url } = db();
  await throttle(sql, 'alerts', 1);
  await withSessions(url, 2, async (...[first, second]) => {
    if (!first || !second) throw new Error('two sessions');
    await first.sql`begin`;
    await write(first.sql, user(), { category: 'alerts' });
    const waiting = write(second.sql, user(), { category: 'alerts' });
    const done = waiting.then((id) => id);
    await untilBlocked(sql, second);
    await first.sql`rollback`;
    expect(await statusOf(sql, await done)).toBe('queued');
  });
});

test('an open transaction holds up what is scheduled for its user no longer than itself, and the tick not at all', async () => {
  const { sql, url } = db();
  await throttle(sql, 'alerts', 1);
  const id = await add('alerts', { send_at: plus(start(), MINUTE) });
  const plain = await add('news', { send_at: plus(start(), MINUTE) });
  await withSessions(url, 1, async (...[app]) => {
    const own = app?.sql as postgres.Sql;
    await own`begin`;
    await write(own, user(), { category: 'alerts' });
    expect(await release(sql, plus(start(), MINUTE))).toBe(1);
    expect(await statusOf(sql, id)).toBe('scheduled');
    // A message that no limit concerns does not wait.
    expect(await statusOf(sql, plain)).toBe('queued');
    expect(await sql`select from push.deliveries where notification_id = ${plain}`).not.toHaveLength(0);
    await own`commit`;
  });
  expect(await release(sql, plus(start(), 2 * MINUTE))).toBe(1);
  expect(await statusOf(sql, id)).toBe('suppressed');
});

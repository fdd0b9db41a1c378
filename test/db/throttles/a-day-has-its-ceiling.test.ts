import { expect, test } from 'vitest';
import {
  closeDigests,
  defineDigest,
  outcomeOf,
  readSummaries,
  statusOf,
  write,
} from '../../support/digests.ts';
import { createUser } from '../../support/postgres.ts';
import { plus, setSetting } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { withSessions } from '../../support/sessions.ts';
import { throttle } from '../../support/throttles.ts';
import { useLimits } from '../../support/use-limits.ts';

const HOUR = 3600;
const { db, user, arrive } = useLimits();
/** Midnight, in a few days. */
const midnight = new Date(Math.ceil(Date.now() / 86_400_000 + 2) * 86_400_000);

const at = (hours: number, values = {}) => arrive(plus(midnight, hours * HOUR), values);

test('beyond it nothing is pushed until the day is over, and the deliveries say why', async () => {
  const { sql } = db();
  await setSetting(sql, 'daily_ceiling', 2);
  const statuses: string[] = [];
  for (const hours of [-10, -3, -2, -0.01, 0, 1, 2]) statuses.push(await at(hours));
  expect(statuses).toEqual([
    'queued',
    'queued',
    'suppressed',
    'suppressed',
    'queued',
    'queued',
    'suppressed',
  ]);
  const [last] = await sql`select id from public.push_notifications order by send_at desc limit 1`;
  expect(await outcomeOf(sql, last?.id)).toEqual(['suppressed', 'suppressed daily_ceiling']);
});

test('it counts all categories of a user together, and each user alone', async () => {
  const { sql } = db();
  await setSetting(sql, 'daily_ceiling', 2);
  const other = (await createUser(sql)).id;
  const ids = [
    await write(sql, user(), { category: 'a' }),
    await write(sql, user(), {}),
    await write(sql, other, {}),
    await write(sql, user(), { category: 'b' }),
  ];
  expect(await Promise.all(ids.map((id) => statusOf(sql, id)))).toEqual([
    'queued',
    'queued',
    'queued',
    'suppressed',
  ]);
});

test('critical messages pass it, and leave the others their places', async () => {
  const { sql } = db();
  await throttle(sql, 'security', null, null, { critical: true });
  await setSetting(sql, 'daily_ceiling', 1);
  expect(await at(1, { category: 'security:login' })).toBe('queued');
  expect(await at(2)).toBe('queued');
  expect(await at(3)).toBe('suppressed');
  expect(await at(4, { category: 'security' })).toBe('queued');
});

test('what the day holds back uses up no throttle', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 2);
  await setSetting(sql, 'daily_ceiling', 1);
  expect(await at(-10)).toBe('queued');
  for (const hours of [-0.3, -0.2, -0.1]) expect(await at(hours, { category: 'alerts' })).toBe('suppressed');
  expect(await at(0.1, { category: 'alerts' })).toBe('queued');
});

test('what a throttle holds back uses up nothing of the day', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1, '2 hours');
  await setSetting(sql, 'daily_ceiling', 2);
  expect(await at(1, { category: 'alerts' })).toBe('queued');
  for (const hours of [1.1, 1.2]) expect(await at(hours, { category: 'alerts' })).toBe('suppressed');
  expect(await at(1.3)).toBe('queued');
  expect(await at(1.4)).toBe('suppressed');
});

test('a summary is a push like any other', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await setSetting(sql, 'daily_ceiling', 1);
  for (const hours of [1, 1.1, 1.2]) expect(await at(hours, { digest_key: 'deals' })).toBe('digested');
  expect(await at(1.5)).toBe('queued');
  await closeDigests(sql, plus(midnight, 2 * HOUR));
  const [summary] = await readSummaries(sql);
  expect(await outcomeOf(sql, summary?.id as string)).toEqual(['suppressed', 'suppressed daily_ceiling']);
});

test('transactions that write at once keep to it together', async () => {
  const { sql, url } = db();
  await setSetting(sql, 'daily_ceiling', 5);
  await withSessions(url, 20, async (...sessions) => {
    await Promise.all(sessions.map((session) => write(session.sql, user(), {})));
  });
  const rows = await sql`select from public.push_notifications where status = 'queued'`;
  expect(rows).toHaveLength(5);
});

test('a ceiling of nothing is no ceiling', async () => {
  expect((await refusalOf(setSetting(db().sql, 'daily_ceiling', 0))).sqlstate).toBe('23514');
});

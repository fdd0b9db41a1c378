import { beforeEach, expect, test } from 'vitest';
import { closeDigests, defineDigest, outcomeOf, readSummaries, write } from '../../support/digests.ts';
import { prefer } from '../../support/preferences.ts';
import { plus } from '../../support/queue.ts';
import { throttle } from '../../support/throttles.ts';
import { useLimits } from '../../support/use-limits.ts';

const HOUR = 3600;
const { db, user, start } = useLimits();
beforeEach(() => defineDigest(db().sql, 'deals'));

const add = (title: string, values = {}) =>
  write(db().sql, user(), { title, digest_key: 'deals', ...values });
const end = () => plus(start(), HOUR);

test.each([
  ['the newest', ['orders', 'news']],
  ['an older one', ['news', 'orders']],
])('what was muted meanwhile is not told of and takes nothing along, be it %s', async (_, categories) => {
  const { sql } = db();
  for (const category of categories) await add(category, { category });
  await prefer(sql, user(), { muted_categories: ['news'] });
  await closeDigests(sql, end());
  const [summary] = await readSummaries(sql);
  expect(summary).toMatchObject({ title: 'orders', category: 'orders', params: { count: 1 } });
  expect(await outcomeOf(sql, summary?.id ?? '')).toEqual(['queued', 'queued']);
});

test('when all of it was muted meanwhile, there is no summary', async () => {
  const { sql } = db();
  await add('News', { category: 'news' });
  await prefer(sql, user(), { muted_categories: ['news'] });
  expect(await closeDigests(sql, end())).toBe(1);
  expect(await readSummaries(sql)).toEqual([]);
});

test('a summary matters no longer than the last of its items', async () => {
  const { sql } = db();
  await add('In an hour and a half', { expires_at: plus(start(), 1.5 * HOUR) });
  await add('In two hours', { expires_at: plus(start(), 2 * HOUR) });
  await closeDigests(sql, end());
  expect((await readSummaries(sql))[0]?.expires_at).toEqual(plus(start(), 2 * HOUR));
});

test('a message whose end comes before the summary goes at once', async () => {
  const { sql } = db();
  const id = await add('Lunch is served', { expires_at: plus(start(), HOUR / 2) });
  expect(await outcomeOf(sql, id)).toEqual(['queued', 'queued']);
  await closeDigests(sql, end());
  expect(await readSummaries(sql)).toEqual([]);
});

test('beyond a throttle it stays in the inbox, and its deliveries say why', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1, '1 hour', { overflow: 'deals' });
  await write(sql, user(), { title: 'First', category: 'alerts' });
  const id = await write(sql, user(), {
    title: 'Second',
    category: 'alerts',
    expires_at: plus(start(), HOUR / 2),
  });
  expect(await outcomeOf(sql, id)).toEqual(['suppressed', 'suppressed throttled']);
});

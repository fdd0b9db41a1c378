import { beforeEach, expect, test } from 'vitest';
import {
  clearLimits,
  closeDigests,
  defineDigest,
  outcomeOf,
  readSummaries,
  release,
  write,
} from '../../support/digests.ts';
import { createUserWhoPrefers, MORNING, NIGHT, NIGHTS_IN_VIENNA } from '../../support/preferences.ts';
import { clearQueue, plus } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const HOUR = 3600;
const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await clearLimits(sql);
  await sql`update push.settings set quiet_hours_pass = '{}'`;
  user = (await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA)).userId;
  await defineDigest(sql, 'deals');
});

/** A message of the digest that is sent so many hours into the night. */
async function tellAtNight(hours: number, message: Record<string, string> = {}): Promise<string> {
  const { sql } = db();
  const at = plus(NIGHT, hours * HOUR);
  const id = await write(sql, user, {
    digest_key: 'deals',
    send_at: at,
    title: `After ${hours}`,
    ...message,
  });
  await release(sql, at);
  return id;
}

/** What the summaries say: how many messages, and the newest. */
async function told(): Promise<[number, string][]> {
  const summaries = await readSummaries(db().sql, user);
  return summaries.map(({ params, title }) => [params.count, title]);
}

test('windows that end in the night are one summary in the morning', async () => {
  const { sql } = db();
  for (const hours of [0, 0.5, 1.5, 2, 3.5]) {
    await tellAtNight(hours);
    await closeDigests(sql, plus(NIGHT, (hours + 1.2) * HOUR));
  }
  expect(await told()).toEqual([]);
  await closeDigests(sql, MORNING);
  expect(await told()).toEqual([[5, 'After 3.5']]);
  const [summary] = await readSummaries(sql, user);
  expect(await outcomeOf(sql, summary?.id ?? '')).toEqual(['queued', 'queued']);
});

test('also those that were full, or over before they were looked at', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { maxItems: 2 });
  for (const hours of [0, 0.1, 0.2, 2, 4]) await tellAtNight(hours);
  await closeDigests(sql, plus(NIGHT, 5.5 * HOUR));
  expect(await told()).toEqual([]);
  await closeDigests(sql, MORNING);
  expect(await told()).toEqual([[5, 'After 4']]);
  const digests = await sql<{ items: string }[]>`select items from push.digests order by opened_at desc`;
  expect(digests.map(({ items }) => Number(items))).toEqual([5, 0, 0, 0]);
});

test('messages cancelled or read in the night are not in the summary', async () => {
  const { sql } = db();
  const [cancelled, read] = [await tellAtNight(0), await tellAtNight(0.1)];
  await tellAtNight(0.2);
  await closeDigests(sql, plus(NIGHT, 2 * HOUR));
  await sql`select push.cancel(${cancelled})`;
  await sql`update public.push_notifications set read_at = now() where id = ${read}`;
  await closeDigests(sql, MORNING);
  expect(await told()).toEqual([[1, 'After 0.2']]);
});

test('what is dropped in quiet hours is not told of, and takes nothing along', async () => {
  const { sql } = db();
  await sql`insert into public.push_categories (key, title, quiet_hours) values ('feed', 'Likes', 'drop')`;
  await tellAtNight(0, { category: 'orders' });
  await tellAtNight(0.2, { category: 'feed' });
  await closeDigests(sql, plus(NIGHT, 2 * HOUR));
  await closeDigests(sql, MORNING);
  expect(await told()).toEqual([[1, 'After 0']]);
});

test('what may ring in the night is summarised in the night', async () => {
  const { sql } = db();
  await sql`update push.settings set quiet_hours_pass = '{high}'`;
  await tellAtNight(0);
  await tellAtNight(0.1, { urgency: 'high' });
  await closeDigests(sql, plus(NIGHT, 1.1 * HOUR));
  expect(await told()).toEqual([[2, 'After 0.1']]);
});

import { expect, test } from 'vitest';
import { closeDigests, defineDigest, readSummaries, statusOf, write } from '../../support/digests.ts';
import { plus } from '../../support/queue.ts';
import { throttle } from '../../support/throttles.ts';
import { useLimits } from '../../support/use-limits.ts';

const { db, user, start } = useLimits();

const expired = () => ({ send_at: plus(start(), -7200), expires_at: plus(start(), -3600) });

test('a message that has expired when it is written has no deliveries, and is in the inbox', async () => {
  const { sql } = db();
  const id = await write(sql, user(), { title: 'Lunch was served', ...expired() });
  expect(await statusOf(sql, id)).toBe('queued');
  expect(await sql`select from push.deliveries`).toHaveLength(0);
});

test('it uses up no limit', async () => {
  const { sql } = db();
  await throttle(sql, 'alerts', 1);
  await write(sql, user(), { category: 'alerts', ...expired() });
  expect(await sql`select from push.throttle_log`).toHaveLength(0);
  expect(await statusOf(sql, await write(sql, user(), { category: 'alerts' }))).toBe('queued');
  expect(await sql`select from push.deliveries where state = 'queued'`).toHaveLength(1);
});

test('no digest tells of it', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals');
  await sql`
    insert into public.push_notifications (user_id, title, digest_key, ttl, send_at, expires_at)
    values (${user()}, 'Sold', 'deals', 3600, ${plus(start(), -7200)}, ${plus(start(), -3600)})`;
  expect(await sql`select from push.digests`).toHaveLength(0);
  await closeDigests(sql, plus(start(), 3600));
  expect(await readSummaries(sql)).toEqual([]);
});

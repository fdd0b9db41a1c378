import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { clearQueue } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
});

const LONG = 'x'.repeat(10_000);
/** What no compression makes short enough for an index. */
const LONG_AND_VARIED = Array.from({ length: 10_000 }, (_, index) =>
  String.fromCharCode(33 + ((index * index * 7919) % 90)),
).join('');

test.each<[string, Record<string, unknown>, string, string]>([
  ['no title', { title: null }, 'PT400', 'title_missing'],
  ['an empty title', { title: '' }, 'PT400', 'title_missing'],
  ['a title of spaces', { title: '   ' }, 'PT400', 'title_missing'],
  ['an unknown urgency', { urgency: 'urgent' }, 'PT400', 'urgency_unknown'],
  ['no urgency', { urgency: null }, 'PT400', 'urgency_unknown'],
  ['a negative ttl', { ttl: -1 }, 'PT400', 'ttl_out_of_range'],
  ['a ttl of more than 28 days', { ttl: 2_419_201 }, 'PT400', 'ttl_out_of_range'],
  ['an empty topic', { topic: '' }, 'PT400', 'topic_malformed'],
  ['a topic of 33 characters', { topic: 'x'.repeat(33) }, 'PT400', 'topic_malformed'],
  ['a topic with a space', { topic: 'a b' }, 'PT400', 'topic_malformed'],
  ['a topic with a newline', { topic: 'a\n' }, 'PT400', 'topic_malformed'],
  ['a topic that is no ASCII', { topic: 'ü' }, 'PT400', 'topic_malformed'],
  ['params that are an array', { params: [1] }, 'PT400', 'params_malformed'],
  ['params that are text', { params: 'x' }, 'PT400', 'params_malformed'],
  ['an end before the beginning', { expires_at: new Date(0) }, 'PT400', 'expires_before_sent'],
  ['a title of 10 kB', { title: LONG }, 'PT413', 'notification_too_large'],
  ['a body of 10 kB', { body: LONG }, 'PT413', 'notification_too_large'],
  ['params of 10 kB', { params: { text: LONG } }, 'PT413', 'notification_too_large'],
])('%s', async (_what, values, sqlstate, code) => {
  const { sql } = db();
  const params = 'params' in values ? { params: sql.json(values.params as never) } : {};
  const row = { user_id: user, title: 'Hello', ...values, ...params };
  const refusal = await refusalOf(
    asService(sql, (t) => t`insert into public.push_notifications ${t(row as Record<string, string>)}`),
  );
  expect(refusal).toMatchObject({
    sqlstate,
    code,
    message: expect.stringMatching(/\w{3}/),
    hint: expect.stringMatching(/\S/),
  });
  expect(JSON.stringify(refusal).length).toBeLessThan(1000);
  expect(await sql`select from public.push_notifications`).toHaveLength(0);
});

test.each([
  ['category', LONG],
  ['idempotency_key', LONG_AND_VARIED],
  ['url', `/${LONG}`],
  ['topic', LONG],
  ['urgency', LONG],
])('10 kB of %s is refused with a code', async (column, value) => {
  const { sql } = db();
  const row = { user_id: user, title: 'Hello', [column]: value };
  const refusal = await refusalOf(asService(sql, (t) => t`insert into public.push_notifications ${t(row)}`));
  expect(refusal).toMatchObject({
    sqlstate: expect.stringMatching(/^PT4\d\d$/),
    hint: expect.stringMatching(/\S/),
  });
});

test('one that is too large is told how large it is, and of what', async () => {
  const { sql } = db();
  const refusal = await refusalOf(
    sql`select push.notify(${user}::uuid, 'Title', ${'ü'.repeat(2000)}, '/a', '{"a": 1}')`,
  );
  expect(refusal).toMatchObject({ sqlstate: 'PT413', code: 'notification_too_large' });
  for (const part of ['3500', 'title 5', 'body 4000', 'url 2', 'params 8'])
    expect(refusal.message).toContain(part);
});

test('the largest that is accepted is as large as the settings say', async () => {
  const { sql } = db();
  const fits = async (length: number) => {
    try {
      await sql`select push.notify(${user}::uuid, 'Title', ${'x'.repeat(length)})`;
      return true;
    } catch {
      return false;
    }
  };
  let [low, high] = [0, 4000];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await fits(middle)) low = middle;
    else high = middle;
  }
  // The rest are the names, quotes and nulls of the JSON that a device gets.
  expect(low).toBeGreaterThan(3400);
  expect(low).toBeLessThan(3500);
});

test('what is accepted at the limit has room in an encrypted message', async () => {
  const { encodePayload, MAX_PAYLOAD_BYTES } = await import('../../../src/notification/payload.ts');
  const { sql } = db();
  await sql`update push.settings set max_notification_bytes = 3800`;
  let largest = 0;
  for (let length = 3800; length > 3000 && largest === 0; length -= 1) {
    const category = 'c'.repeat(100);
    const topic = 't'.repeat(32);
    const made = await sql`
      insert into public.push_notifications (user_id, title, body, url, category, topic)
      values (${user}, 'T', ${'x'.repeat(length)}, '/', ${category}, ${topic}) returning id, title, body, url, params`.catch(
      () => undefined,
    );
    const row = made?.[0];
    if (!row) continue;
    largest = encodePayload({ notificationId: row.id, ...row, category, topic } as never).length;
  }
  await sql`update push.settings set max_notification_bytes = 3500`;
  expect(largest).toBeGreaterThan(0);
  expect(largest).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
});

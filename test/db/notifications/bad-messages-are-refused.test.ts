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
  ['a negative ttl', { ttl: -1 }, 'PT400', 'ttl_out_of_range'],
  ['a ttl of more than 28 days', { ttl: 2_419_201 }, 'PT400', 'ttl_out_of_range'],
  ['an empty collapse key', { collapse_key: '' }, 'PT400', 'collapse_key_malformed'],
  ['a collapse key of 33 characters', { collapse_key: 'x'.repeat(33) }, 'PT400', 'collapse_key_malformed'],
  ['a collapse key with a space', { collapse_key: 'a b' }, 'PT400', 'collapse_key_malformed'],
  ['a collapse key with a newline', { collapse_key: 'a\n' }, 'PT400', 'collapse_key_malformed'],
  ['a collapse key that is no ASCII', { collapse_key: 'ü' }, 'PT400', 'collapse_key_malformed'],
  ['params that are an array', { params: [1] }, 'PT400', 'params_malformed'],
  ['params that are text', { params: 'x' }, 'PT400', 'params_malformed'],
  ['a category of a colon', { category: ':' }, 'PT400', 'category_malformed'],
  ['an empty category', { category: '' }, 'PT400', 'category_malformed'],
  ['a category with an empty part', { category: 'alerts::DAX' }, 'PT400', 'category_malformed'],
  ['a category that ends in a colon', { category: 'alerts:' }, 'PT400', 'category_malformed'],
  ['a category that no user can mute', { category: 'alerts\n' }, 'PT400', 'category_malformed'],
  ['an end before the beginning', { expires_at: new Date(0) }, 'PT400', 'expires_before_sent'],
  ['an empty tag', { tag: '' }, 'PT400', 'tag_malformed'],
  ['a tag of 101 bytes', { tag: 'x'.repeat(101) }, 'PT400', 'tag_malformed'],
  ['a title of 10 kB', { title: LONG }, 'PT413', 'text_too_large'],
  ['a body of 10 kB', { body: LONG }, 'PT413', 'text_too_large'],
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
  ['collapse_key', LONG],
  ['tag', LONG],
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
  const params = { text: 'ü'.repeat(2000) };
  const refusal = await refusalOf(
    sql`select push.notify(${user}::uuid, 'Title', 'Body', '/a', ${sql.json(params)}, p_tag => 'abc')`,
  );
  expect(refusal).toMatchObject({ sqlstate: 'PT413', code: 'notification_too_large' });
  for (const part of ['3993', 'params 4012', 'url 2', 'category 0', 'tag 3'])
    expect(refusal.message).toContain(part);
});

test('a text that is too long for the inbox is told how long it is', async () => {
  const { sql } = db();
  const refusal = await refusalOf(
    sql`select push.notify(${user}::uuid, ${'ü'.repeat(501)}, ${'x'.repeat(70)})`,
  );
  expect(refusal).toMatchObject({ sqlstate: 'PT413', code: 'text_too_large' });
  for (const part of ['1002', '70', '1000', '8000']) expect(refusal.message).toContain(part);
});

test.each([
  ['title', 1000],
  ['body', 8000],
])('a %s of %i bytes is accepted and stays whole in the inbox', async (column, length) => {
  const { sql } = db();
  const row = { user_id: user, title: 'Hello', [column]: 'x'.repeat(length) };
  await sql`insert into public.push_notifications ${sql(row)}`;
  const [made] = await sql`select ${sql(column)} as text from public.push_notifications`;
  expect(made?.text).toHaveLength(length);
});

test('a message for a user and a topic, or for neither, is refused', async () => {
  const { sql } = db();
  await sql`insert into public.push_topics (key, title) values ('news', 'News') on conflict do nothing`;
  for (const audience of [{}, { user_id: user, audience_topic: 'news' }]) {
    const insert = asService(
      sql,
      (t) => t`insert into public.push_notifications ${t({ title: 'Hello', ...audience })}`,
    );
    expect(await refusalOf(insert)).toMatchObject({ sqlstate: 'PT400', code: 'audience_missing' });
  }
});

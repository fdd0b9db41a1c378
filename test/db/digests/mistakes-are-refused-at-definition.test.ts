import { describe, expect, test } from 'vitest';
import { defineDigest, write } from '../../support/digests.ts';
import { asAnon, asService, asUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createTopic } from '../../support/topics.ts';
import { useLimits } from '../../support/use-limits.ts';

const { db, user } = useLimits({ devices: 0 });

const REFUSED: [string, string, Parameters<typeof defineDigest>[2]][] = [
  ['digest_key_malformed', '', {}],
  ['digest_key_malformed', 'a b', {}],
  ['digest_key_malformed', 'a::b', {}],
  ['digest_key_malformed', ':a', {}],
  ['digest_key_malformed', 'a'.repeat(91), {}],
  ['digest_window_out_of_range', 'a', { window: '0' }],
  ['digest_window_out_of_range', 'a', { window: '-1 hour' }],
  ['digest_window_out_of_range', 'a', { window: '32 days' }],
  ['digest_max_items_out_of_range', 'a', { maxItems: 1 }],
  ['digest_max_items_out_of_range', 'a', { maxItems: 1001 }],
  ['digest_texts_twice', 'a', { template: 't', title: 'T' }],
  ['digest_texts_twice', 'a', { template: 't', body: 'T' }],
  ['digest_texts_malformed', 'a', { title: ' ' }],
  ['digest_texts_malformed', 'a', { title: 'a'.repeat(1001) }],
  ['digest_texts_malformed', 'a', { body: 'a'.repeat(8001) }],
  ['digest_texts_malformed', 'a', { template: '' }],
  ['url_malformed', 'a', { url: 'javascript:alert(1)' }],
  ['url_malformed', 'a', { url: '//evil.example' }],
  ['digest_more_text_malformed', 'a', { moreText: 'more' }],
  ['digest_more_text_malformed', 'a', { moreText: '%s of %s' }],
  ['digest_more_text_malformed', 'a', { moreText: '%I' }],
];

test.each(REFUSED)('%s: %s %o', async (code, key, values) => {
  expect(await refusalOf(defineDigest(db().sql, key, values))).toMatchObject({
    sqlstate: 'PT400',
    code,
    hint: expect.stringMatching(/\S/),
  });
});

test('the constraints stand behind it', async () => {
  const { sql } = db();
  const rows = [
    { key: 'a b', window_length: '1 hour' },
    { key: 'a', window_length: '0' },
    { key: 'a', window_length: '1 hour', more_text: '%s %s' },
    { key: 'a', window_length: '1 hour', max_items: 0 },
    { key: 'a', window_length: '1 hour', template: 't', title: 'T' },
  ];
  for (const row of rows) {
    expect((await refusalOf(sql`insert into push.digest_policies ${sql(row)}`)).sqlstate).toBe('23514');
  }
});

describe('a message', () => {
  test.each([
    ['digest_unknown', 'nobody'],
    ['digest_unknown', 'dealsx'],
    ['digest_key_malformed', 'deals:'],
    ['digest_key_malformed', 'deals: 1'],
    ['digest_key_malformed', `deals:${'x'.repeat(90)}`],
  ])('%s: %s', async (code, key) => {
    const { sql } = db();
    await defineDigest(sql, 'deals');
    const refused = asService(sql, (t) => write(t, user(), { digest_key: key }));
    expect(await refusalOf(refused)).toMatchObject({
      sqlstate: 'PT400',
      code,
      hint: expect.stringMatching(/\S/),
    });
  });

  test('to a topic has no digest', async () => {
    const { sql } = db();
    await defineDigest(sql, 'deals');
    const { topic } = await createTopic(sql, 1);
    const refused = sql`
      insert into public.push_notifications (audience_topic, title, digest_key) values (${topic}, 'Hello', 'deals')`;
    expect(await refusalOf(refused)).toMatchObject({ sqlstate: 'PT400', code: 'digest_of_topic' });
  });

  test('that waits is not refused later, though its digest is gone by then', async () => {
    const { sql } = db();
    await defineDigest(sql, 'deals');
    const id = await write(sql, user(), { digest_key: 'deals' });
    await sql`select push.drop_digest('deals')`;
    await sql`update public.push_notifications set title = 'Corrected' where id = ${id}`;
    const changed = sql`update public.push_notifications set digest_key = 'deals:2' where id = ${id}`;
    expect(await refusalOf(changed)).toMatchObject({ code: 'digest_unknown' });
  });
});

test('a digest is replaced by declaring it again', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { title: 'One', leading: true });
  await defineDigest(sql, 'deals', { window: '2 hours' });
  expect([...(await sql`select title, leads, window_length::text from push.digest_policies`)]).toEqual([
    { title: null, leads: false, window_length: '02:00:00' },
  ]);
});

test('one that is not there cannot be dropped', async () => {
  const refused = refusalOf(db().sql`select push.drop_digest('nobody')`);
  expect(await refused).toMatchObject({ sqlstate: 'PT404', code: 'digest_unknown' });
});

test('one into which a throttle overflows cannot be dropped, unless another takes its place', async () => {
  const { sql } = db();
  await defineDigest(sql, 'alerts:all');
  await sql`
    insert into public.push_categories (key, title, throttle_limit, throttle_interval, throttle_overflow)
    values ('alerts', 'Alerts', 5, '1 hour', 'alerts:all')`;
  expect(await refusalOf(sql`select push.drop_digest('alerts:all')`)).toMatchObject({
    sqlstate: 'PT409',
    code: 'digest_in_use',
    message: expect.stringContaining('alerts'),
  });
  await defineDigest(sql, 'alerts');
  await sql`select push.drop_digest('alerts:all')`;
});

test('a throttle overflows into a digest that exists', async () => {
  const { sql } = db();
  const refused = asService(
    sql,
    (t) => t`
      insert into public.push_categories (key, title, throttle_limit, throttle_interval, throttle_overflow)
      values ('alerts', 'Alerts', 5, '1 hour', 'nobody')`,
  );
  expect(await refusalOf(refused)).toMatchObject({ sqlstate: 'PT400', code: 'digest_unknown' });
});

test('only the database owner declares digests', async () => {
  const { sql } = db();
  const define = (t: Parameters<typeof defineDigest>[0]) => defineDigest(t, 'deals');
  for (const run of [
    () => asAnon(sql, define),
    () => asUser(sql, user(), define),
    () => asService(sql, define),
  ])
    expect((await refusalOf(run())).sqlstate).toBe('42501');
});

import { beforeEach, expect, test } from 'vitest';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { clearQueue } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user = '';

beforeEach(async () => {
  await clearQueue(db().sql);
  user = (await createUser(db().sql)).id;
});

/** All that a message can say. */
const MESSAGE = {
  title: 'Won',
  body: 'Deal 7',
  url: '/deals/7',
  params: { deal: 7 },
  category: 'deals',
  urgency: 'high',
  ttl: 60,
  collapse_key: 'deal-7',
  tag: 'deal',
  template: null,
  presentation: { silent: true },
  digest_key: 'deals',
  send_at: '2031-05-10T12:00:00.123456+02:00',
  expires_at: '2031-05-10T11:00:00Z',
  idempotency_key: 'won-7',
};

const DOORS = {
  push_notify: 'push_notify($1::text::uuid, $2::text::jsonb)',
  push_notify_topic: 'push_notify_topic($1, $2::text::jsonb)',
  push_notify_many: 'push_notify_many(array[$1::text::uuid], $2::text::jsonb)',
};
type Door = keyof typeof DOORS;
const doors = Object.keys(DOORS) as Door[];

/** Sends it as the service, to the user or to a new topic. */
async function send(door: Door, message: unknown): Promise<unknown> {
  const { sql } = db();
  const to = door === 'push_notify_topic' ? (await createTopic(sql, 1)).topic : user;
  const json = typeof message === 'string' ? message : JSON.stringify(message);
  return asService(sql, (t) => t.unsafe(`select public.${DOORS[door]} as answer`, [to, json]));
}

test('every field of a message is a key, by every door', async () => {
  const { sql } = db();
  const fields = await sql`
    select array_agg(attname::text order by attnum) as names from pg_attribute where attrelid = 'push.message'::regclass`;
  expect(Object.keys(MESSAGE)).toEqual(expect.arrayContaining(fields[0]?.names));
  await sql`select push.define_digest('deals', '1 hour')`;
  for (const door of doors) {
    await sql`delete from public.push_notifications`;
    // A digest is of one user.
    const { digest_key, ...rest } = MESSAGE;
    await send(door, door === 'push_notify_topic' ? rest : MESSAGE);
    const [stored] = await sql`select * from public.push_notifications`;
    expect(stored, door).toMatchObject({
      ...MESSAGE,
      digest_key: door === 'push_notify_topic' ? null : digest_key,
      send_at: new Date('2031-05-10T10:00:00.123Z'),
      expires_at: new Date('2031-05-10T11:00:00Z'),
      audience_topic: door === 'push_notify_topic' ? expect.any(String) : null,
    });
  }
});

test('push_notify_many notifies each user once, skips other ids and says how many that were', async () => {
  const { sql } = db();
  const other = (await createUser(sql)).id;
  const ids = [user, other, user, crypto.randomUUID()];
  const many = () =>
    asService(
      sql,
      (t) => t`select public.push_notify_many(${ids}, '{"title": "Hello", "idempotency_key": "h"}') as made`,
    );
  expect(await many()).toEqual([{ made: '2' }]);
  expect(await many()).toEqual([{ made: '0' }]);
  const told = await sql`select user_id, title from public.push_notifications order by user_id`;
  expect([...told]).toEqual([user, other].sort().map((user_id) => ({ user_id, title: 'Hello' })));
});

test('a long list is noted, and followed in push.lists', async () => {
  const { sql } = db();
  await sql`update push.settings set notify_at_once = 1`;
  try {
    const ids = [user, (await createUser(sql)).id];
    const [row] = await asService(
      sql,
      (t) => t`select public.push_notify_many(${ids}, '{"title": "Hello"}') as made`,
    );
    expect(row).toEqual({ made: '2' });
    expect([...(await sql`select title, recipients from push.lists`)]).toEqual([
      { title: 'Hello', recipients: '2' },
    ]);
  } finally {
    await sql`update push.settings set notify_at_once = default`;
    await sql`delete from push.fan_outs`;
    await sql`delete from push.fan_out_recipients`;
  }
});

const KEYS = Object.keys(MESSAGE);

test.each<[string, unknown, RegExp]>([
  ['an unknown key', { title: 'x', titel: 'y' }, /no key titel/],
  ['a parameter of SQL', { p_title: 'x' }, /no key p_title/],
  ['a column that is none of a message', { title: 'x', inbox: false }, /no key inbox/],
  ['a number as title', { title: 7 }, /title .* string/],
  ['a text as ttl', { title: 'x', ttl: '60' }, /ttl .* number/],
  ['a ttl of a fraction', { title: 'x', ttl: 1.5 }, /ttl .*1\.5/],
  ['a ttl beyond integers', '{"title": "x", "ttl": 1e30}', /ttl .*range/],
  ['params that are a list', { title: 'x', params: [1] }, /params .* object/],
  ['params that are text', { title: 'x', params: '{}' }, /params .* object/],
  ['a presentation that is text', { title: 'x', presentation: 'silent' }, /presentation .* object/],
  ['a time as number', { title: 'x', send_at: 1_900_000_000 }, /send_at .* string/],
  ['a time that is none', { title: 'x', send_at: 'in a while' }, /send_at .*in a while/],
  ['a day that is none', { title: 'x', expires_at: '2031-02-30' }, /expires_at .*2031-02-30/],
  ['a list', ['x'], /JSON object/],
  ['a text', '"x"', /JSON object/],
  ['null', 'null', /JSON object/],
])('%s is refused by name', async (_what, message, says) => {
  const { sql } = db();
  for (const door of doors)
    expect(await refusalOf(send(door, message)), door).toMatchObject({
      sqlstate: 'PT400',
      code: 'message_malformed',
      message: expect.stringMatching(says),
      hint: expect.stringMatching(/\S/),
    });
  expect(await sql`select from public.push_notifications`).toHaveLength(0);
});

test('the hint lists the keys', async () => {
  const refusal = await refusalOf(send('push_notify', { titel: 'y' }));
  for (const key of KEYS) expect(refusal.hint).toContain(key);
});

test('SQL’s null is no message', async () => {
  const call = asService(db().sql, (t) => t`select public.push_notify(${user}, null)`);
  expect(await refusalOf(call)).toMatchObject({ sqlstate: 'PT400', code: 'message_malformed' });
});

test('what JSON says is null is not said', async () => {
  const nothing = Object.fromEntries(KEYS.map((key) => [key, null]));
  await send('push_notify', { ...nothing, title: 'Hello' });
  const [stored] = await db()
    .sql`select title, params, urgency, presentation, ttl from public.push_notifications`;
  expect(stored).toEqual({ title: 'Hello', params: {}, urgency: 'normal', presentation: null, ttl: null });
});

test.each(doors)('%s is for servers alone', async (door) => {
  const { sql } = db();
  const call = `select public.${DOORS[door]}`;
  const parameters = [user, '{"title": "x"}'];
  const denied = { sqlstate: '42501' };
  expect(await refusalOf(asUser(sql, user, (t) => t.unsafe(call, parameters)))).toMatchObject(denied);
  expect(await refusalOf(asAnon(sql, (t) => t.unsafe(call, parameters)))).toMatchObject(denied);
});

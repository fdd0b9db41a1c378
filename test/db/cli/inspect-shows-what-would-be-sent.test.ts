import { expect, test } from 'vitest';
import { command } from '../../../src/cli/inspect.ts';
import { called } from '../../support/command.ts';
import { createUser } from '../../support/postgres.ts';
import { subscribe, subscribeApp } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

interface Inspection {
  held: string | null;
  devices: {
    id: string;
    rings: boolean;
    would: string;
    code: string | null;
    why: string | null;
    at: string;
  }[];
  messages: { channel: string; payload: string; bytes: number; limit: number; devices: string[] }[];
}

/** What the command says of a message to a user, or of what else is given. */
async function inspect(user: string, message: object, ...more: string[]) {
  const args = [user, '--message', JSON.stringify(message), '--database-url', db().url, '--json', ...more];
  const { text, exitCode } = await called(command, ...args.filter((arg) => arg !== ''));
  return { ...(JSON.parse(text) as Inspection), exitCode, text };
}

/** How many rows there are in what sending writes to. */
async function written() {
  const [row] = await db().sql<{ rows: string }[]>`
    select concat_ws(' ', (select count(*) from public.push_notifications), (select count(*) from push.deliveries),
      (select count(*) from push.digests), (select count(*) from push.throttle_log), (select count(*) from push.dispatchers),
      (select count(*) from net.http_request_queue)) as rows`;
  return row?.rows;
}

test('the bytes are those that a dispatcher would encrypt, and nothing is left behind', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const id = await subscribe(sql, user.id, { device_name: 'Firefox' });
  const before = await written();
  const message = { title: 'Deal won', body: 'Grüße', url: '/deals/7', params: { id: 7 }, category: 'deals' };
  const { devices, messages, exitCode } = await inspect(user.email, message);
  expect(exitCode).toBe(0);
  expect(devices).toEqual([
    {
      id,
      name: 'Firefox',
      channel: 'webpush',
      rings: true,
      would: 'ring now',
      code: null,
      why: null,
      at: null,
    },
  ]);
  const [sent] = messages;
  expect(Buffer.byteLength(sent?.payload ?? '')).toBe(sent?.bytes);
  expect(sent).toMatchObject({ channel: 'webpush', limit: 3993, devices: [id] });
  expect(JSON.parse(sent?.payload ?? '')).toMatchObject({
    web_push: 8030,
    notification: {
      title: 'Deal won',
      body: 'Grüße',
      navigate: '/deals/7',
      data: { id: 7, supapush: { category: 'deals', receipt: expect.stringMatching(/^\d{15,16}\.0{22}$/) } },
    },
  });
  expect(await written()).toBe(before);
});

test('an app gets what FCM is given, and its token is not shown', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await sql`insert into push.hosts (origin, channel) values ('https://fcm.googleapis.com/v1', 'fcm') on conflict do nothing`;
  const id = await subscribeApp(sql, user.id);
  const [row] = await sql`select fcm_token from public.push_subscriptions where id = ${id}`;
  await subscribe(sql, user.id);
  const { messages, text } = await inspect(user.id, { title: 'Hello' });
  expect(messages.map(({ channel }) => channel).sort()).toEqual(['fcm', 'webpush']);
  const fcm = messages.find(({ channel }) => channel === 'fcm');
  expect(JSON.parse(fcm?.payload ?? '')).toMatchObject({
    message: { token: '…', notification: { title: 'Hello' } },
  });
  expect(text).not.toContain(row?.fcm_token);
  const { devices } = await inspect('', { title: 'Hello' }, '--device', id);
  expect(devices.map((device) => device.id)).toEqual([id]);
});

test('preferences say why a device would not ring, and quiet hours until when', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const first = await subscribe(sql, user.id);
  const second = await subscribe(sql, user.id);
  await sql`insert into public.push_preferences ${sql({
    user_id: user.id,
    muted_categories: ['deals'],
    timezone: 'UTC',
    quiet_from: '00:00',
    quiet_until: '24:00',
    quiet_by_weekday: sql.json({ 1: null, 2: null, 3: null, 4: null, 5: null, 6: null, 7: null }),
  } as never)}`;
  const muted = await inspect(user.id, { title: 'Hello', category: 'deals:7' });
  expect(muted.exitCode).toBe(1);
  expect(muted.devices).toMatchObject([
    { id: first, rings: false, would: 'not ring', code: 'muted', why: expect.stringContaining('muted') },
    { id: second, code: 'muted' },
  ]);
  // It says all the same what the message would be.
  expect(JSON.parse(muted.messages[0]?.payload ?? '')).toMatchObject({ notification: { title: 'Hello' } });
  expect(muted.messages[0]?.devices).toEqual([]);

  await sql`update public.push_device_preferences set enabled = true where subscription_id = ${second}`;
  await sql`
    insert into public.push_device_preferences (subscription_id, user_id, timezone, quiet_from, quiet_until)
    values (${second}, ${user.id}, 'UTC', (now() at time zone 'UTC' - interval '1 hour')::time(0), (now() at time zone 'UTC' + interval '1 hour')::time(0))`;
  const night = await inspect(user.id, { title: 'Hello', category: 'chat' });
  expect(night.exitCode).toBe(0);
  expect(night.devices).toMatchObject([
    { id: first, rings: true },
    {
      id: second,
      rings: false,
      would: 'wait',
      code: 'quiet_hours',
      why: expect.stringMatching(/quiet hours.*until 20/),
    },
  ]);
  expect(Date.parse(night.devices[1]?.at ?? '')).toBeGreaterThan(Date.now());
  // Both would get the same: one now, one later.
  expect(night.messages.map(({ devices }) => devices)).toEqual([[first], [second]]);
});

test('a throttle, a digest, a pause, and no device at all are named', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  expect(await inspect(user.id, { title: 'Hello' })).toMatchObject({
    exitCode: 1,
    held: expect.stringContaining('no device'),
    devices: [],
  });
  await subscribe(sql, user.id);
  await sql`insert into public.push_categories (key, title, throttle_limit, throttle_interval) values ('news', 'News', 1, '1 hour')`;
  expect((await inspect(user.id, { title: 'Hello', category: 'news' })).exitCode).toBe(0);
  // Looking has used up nothing.
  expect((await inspect(user.id, { title: 'Hello', category: 'news' })).exitCode).toBe(0);
  await sql`select push.notify(${user.id}::uuid, 'First', p_category => 'news')`;
  const throttled = await inspect(user.id, { title: 'Hello', category: 'news' });
  expect(throttled).toMatchObject({ exitCode: 1, devices: [{ would: 'not ring', code: 'throttled' }] });

  await sql`select push.define_digest('daily', interval '1 hour', 'What is new')`;
  expect(await inspect(user.id, { title: 'Hello', digest_key: 'daily' })).toMatchObject({
    exitCode: 1,
    held: expect.stringContaining('digest'),
  });

  await sql`select push.pause('wrong prices', p_category => 'news:prices')`;
  await sql`update public.push_categories set throttle_limit = null, throttle_interval = null where key = 'news'`;
  expect(await inspect(user.id, { title: 'Hello', category: 'news:prices:DAX' })).toMatchObject({
    exitCode: 1,
    devices: [{ rings: false, would: 'wait', why: 'the category is paused: wrong prices' }],
    messages: [{ channel: 'webpush' }],
  });
  await sql`select push.resume(p_category => 'news:prices')`;
  await sql`select push.pause('all wrong')`;
  expect(await inspect(user.id, { title: 'Hello' })).toMatchObject({
    devices: [{ would: 'wait', why: 'the project is paused: all wrong' }],
  });
  await sql`select push.resume()`;
});

test('what is for later is judged as it stands, and says for when it is', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const later = new Date(Date.now() + 3_600_000).toISOString();
  expect(await inspect(user.id, { title: 'Hello', send_at: later })).toMatchObject({
    exitCode: 1,
    held: expect.stringContaining(later),
    devices: [{ rings: false, would: 'wait', at: later }],
    messages: [{ channel: 'webpush' }],
  });
});

test('people see one line a device, and the message as it is', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id, { device_name: 'Firefox' });
  await subscribe(sql, user.id, { device_name: 'Safari on a phone' });
  const { text } = await called(command, user.email, '--title', 'Hello', '--database-url', db().url);
  const lines = text.split('\n');
  expect(lines[0]).toBe(
    `To ${user.email} (${user.id}), category none, urgency normal, until ${/until (\S+)\. N/.exec(text)?.[1]}. Nothing was sent.`,
  );
  expect(lines.slice(2, 4)).toEqual([
    '  Firefox            webpush  ring now',
    '  Safari on a phone  webpush  ring now',
  ]);
  expect(lines[5]).toMatch(/^webpush, \d+ of 3993 bytes: Firefox, Safari on a phone$/);
  expect(JSON.parse(lines[6] ?? '')).toMatchObject({ notification: { title: 'Hello' } });
});

test.each([
  ['no user', ['--title', 'x'], 'Say whom'],
  ['nothing to say', ['a@example.com'], 'Say what'],
  ['a user and a device', ['a@example.com', '--device', crypto.randomUUID(), '--title', 'x'], 'not both'],
  ['no id for a device', ['--device', '7', '--title', 'x'], '--device must be'],
  ['params that are no object', ['a@example.com', '--title', 'x', '--params', '[]'], '--params must be'],
  ['two users', ['a@example.com', 'b@example.com', '--title', 'x'], 'one user too many'],
])('%s is called wrongly', async (_, args, message) => {
  await expect(called(command, ...args, '--database-url', db().url)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(message),
  });
});

test('what the database refuses is said with what to do', async () => {
  const { id } = await createUser(db().sql);
  await expect(inspect(id, { title: 'x', url: 'javascript:alert(1)' })).rejects.toThrow(
    /The url must be a path.*Correct the url\./,
  );
  await expect(inspect(crypto.randomUUID(), { title: 'x' })).rejects.toThrow(/There is no user/);
});

import { expect, test } from 'vitest';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const LONG = 'x'.repeat(10_000);

test.each([
  ['an unknown channel', { channel: 'carrier-pigeon' }, 'channel_unknown'],
  ['an empty channel', { channel: '' }, 'channel_unknown'],
  ['a channel in upper case', { channel: 'WEBPUSH' }, 'channel_unknown'],
  ['no channel', { channel: null }, 'channel_unknown'],
  ['a channel of 10 kB', { channel: LONG }, 'channel_unknown'],
  ['an unknown device type', { device_type: 'toaster' }, 'device_type_unknown'],
  ['no device type', { device_type: null }, 'device_type_unknown'],
  ['a device type of 10 kB', { device_type: LONG }, 'device_type_unknown'],
  ['a user agent of 1025 bytes', { user_agent: 'x'.repeat(1025) }, 'user_agent_too_long'],
  ['a user agent of 513 two-byte characters', { user_agent: 'ü'.repeat(513) }, 'user_agent_too_long'],
  ['a user agent of 10 kB', { user_agent: LONG }, 'user_agent_too_long'],
  ['a name of 201 bytes', { device_name: 'x'.repeat(201) }, 'device_name_too_long'],
])('%s is refused with a code and a hint', async (_what, values, code) => {
  const { sql } = db();
  const user = await createUser(sql);
  const row = { ...createSubscription(), ...values };
  const expected = {
    sqlstate: 'PT400',
    code,
    message: expect.stringMatching(/\w{3}/),
    hint: expect.stringMatching(/\S/),
  };
  expect(
    await refusalOf(asUser(sql, user.id, (t) => t`insert into public.push_subscriptions ${t(row)}`)),
  ).toMatchObject(expected);
  const own = createSubscription();
  await asUser(sql, user.id, (t) => t`insert into public.push_subscriptions ${t(own)}`);
  expect(
    await refusalOf(
      asUser(sql, user.id, (t) => t`update public.push_subscriptions set ${t(values as never)}`),
    ),
  ).toMatchObject(expected);
  expect([...(await sql`select endpoint from public.push_subscriptions where user_id = ${user.id}`)]).toEqual(
    [{ endpoint: own.endpoint }],
  );
});

test('a refusal repeats nothing of a long value', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  for (const column of [
    'endpoint',
    'p256dh',
    'auth',
    'vapid_key',
    'channel',
    'device_type',
    'user_agent',
    'device_name',
  ]) {
    const row = { ...createSubscription(), [column]: LONG };
    const refusal = await refusalOf(
      asUser(sql, user.id, (t) => t`insert into public.push_subscriptions ${t(row)}`),
    );
    expect(JSON.stringify(refusal).length).toBeLessThan(1000);
  }
});

test('the service role cannot register a device without a user', async () => {
  const { sql } = db();
  const row = { ...createSubscription(), user_id: null };
  const refusal = await refusalOf(asService(sql, (t) => t`insert into public.push_subscriptions ${t(row)}`));
  expect(refusal.sqlstate).toMatch(/^(PT400|23502)$/);
});

test('the service role cannot register a device of an unknown user', async () => {
  const { sql } = db();
  const row = { ...createSubscription(), user_id: '00000000-0000-4000-8000-000000000000' };
  const refusal = await refusalOf(asService(sql, (t) => t`insert into public.push_subscriptions ${t(row)}`));
  expect(refusal.sqlstate).toMatch(/^(PT4\d\d|23503)$/);
});

test('a user agent of 1024 bytes is stored', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const row = { ...createSubscription(), user_agent: 'ü'.repeat(512) };
  const rows = await asUser(
    sql,
    user.id,
    (t) => t`insert into public.push_subscriptions ${t(row)} returning id`,
  );
  expect(rows).toHaveLength(1);
});

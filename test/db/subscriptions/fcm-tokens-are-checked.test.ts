import { expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createAppSubscription, createKeys, createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const FCM_V1 = 'https://fcm.googleapis.com/v1';

function insert(userId: string, row: Record<string, unknown>) {
  return asUser(
    db().sql,
    userId,
    (t) => t`insert into public.push_subscriptions ${t(row as Record<string, string>)} returning *`,
  );
}

test('an app registers with its token alone', async () => {
  const user = await createUser(db().sql);
  const app = createAppSubscription();
  const [row] = await insert(user.id, { ...app, device_type: 'mobile', user_agent: 'Shop 2.1 (Android 16)' });
  expect(row).toMatchObject({
    ...app,
    user_id: user.id,
    host: FCM_V1,
    endpoint: null,
    p256dh: null,
    auth: null,
  });
});

test.each([
  ['20 characters', 'x'.repeat(20)],
  ['4096 characters', 'x'.repeat(4096)],
  ['every printable character', Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join('')],
])('a token of %s is accepted', async (_what, token) => {
  const user = await createUser(db().sql);
  const [row] = await insert(user.id, { channel: 'fcm', fcm_token: token });
  expect(row?.fcm_token).toBe(token);
});

test.each([
  ['no token', null],
  ['an empty token', ''],
  ['19 characters', 'x'.repeat(19)],
  ['4097 characters', 'x'.repeat(4097)],
  ['a space', `${'a'.repeat(30)} b`],
  ['a line break', `${'a'.repeat(30)}\nb`],
  ['a letter that is not ASCII', `${'a'.repeat(30)}ü`],
  ['a control character', `${'a'.repeat(30)}\u007f`],
])('%s is refused with a code and a hint', async (_what, token) => {
  const { sql } = db();
  const user = await createUser(sql);
  const expected = {
    sqlstate: 'PT400',
    code: 'fcm_token_malformed',
    hint: expect.stringMatching(/unchanged/),
  };
  const refusal = await refusalOf(insert(user.id, { channel: 'fcm', fcm_token: token }));
  expect(refusal).toMatchObject(expected);
  expect(JSON.stringify(refusal).length).toBeLessThan(1000);
  await insert(user.id, createAppSubscription());
  const update = asUser(sql, user.id, (t) => t`update public.push_subscriptions set fcm_token = ${token}`);
  expect(await refusalOf(update)).toMatchObject(expected);
});

test.each([
  ['an app with an endpoint', { ...createAppSubscription(), endpoint: createSubscription().endpoint }],
  ['an app with keys', { ...createAppSubscription(), ...createKeys() }],
  ['an app with a VAPID key', { ...createAppSubscription(), vapid_key: createKeys().p256dh }],
  ['a browser with a token', { ...createSubscription(), fcm_token: createAppSubscription().fcm_token }],
])('%s is refused: a row has one way to reach its device', async (_what, row) => {
  const user = await createUser(db().sql);
  expect(await refusalOf(insert(user.id, row))).toMatchObject({
    sqlstate: 'PT400',
    code: 'address_ambiguous',
  });
});

test('a token without its channel is refused, not taken for a browser', async () => {
  const user = await createUser(db().sql);
  const { fcm_token } = createAppSubscription();
  expect((await refusalOf(insert(user.id, { fcm_token }))).code).toBe('address_ambiguous');
});

test('the owner replaces a token, and what waits goes to the new one', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const [before] = await insert(user.id, createAppSubscription());
  const { fcm_token } = createAppSubscription();
  const [after] = await asUser(
    sql,
    user.id,
    (t) => t`update public.push_subscriptions set fcm_token = ${fcm_token} returning *`,
  );
  expect(after).toMatchObject({ id: before?.id, fcm_token, host: FCM_V1 });
  expect(after?.updated_at.getTime()).toBeGreaterThan(before?.updated_at.getTime());
});

test('the owner may turn a browser into an app, and its deliveries follow', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await insert(user.id, createSubscription());
  await sql`select push.notify(${user.id}::uuid, 'Hello')`;
  await asUser(
    sql,
    user.id,
    (t) => t`
      update public.push_subscriptions
      set ${t({ ...createAppSubscription(), endpoint: null, p256dh: null, auth: null })}`,
  );
  const rows = await sql`
    select d.host, d.state from push.deliveries d join public.push_notifications n on n.id = d.notification_id
    where n.user_id = ${user.id}`;
  expect([...rows]).toEqual([{ host: FCM_V1, state: 'queued' }]);
});

test.each([
  ['fcm_token', 'null'],
  ['fcm_token', `'short'`],
  ['endpoint', `'https://fcm.googleapis.com/fcm/send/x'`],
  ['channel', `'webpush'`],
])('behind the trigger a constraint keeps an app from having %s = %s', async (column, value) => {
  const { sql } = db();
  const user = await createUser(sql);
  await insert(user.id, createAppSubscription());
  await sql`alter table public.push_subscriptions disable trigger push_subscriptions_check`;
  try {
    const update = sql.unsafe(
      `update public.push_subscriptions set ${column} = ${value} where user_id = '${user.id}'`,
    );
    expect((await refusalOf(update)).sqlstate).toBe('23514');
  } finally {
    await sql`alter table public.push_subscriptions enable trigger push_subscriptions_check`;
  }
});

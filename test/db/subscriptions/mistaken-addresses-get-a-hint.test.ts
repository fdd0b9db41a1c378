import { randomBytes, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createAppSubscription, createKeys, createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

const text = (bytes: number) => randomBytes(bytes).toString('base64url');
const hex = (bytes: number) => randomBytes(bytes).toString('hex');
const TOKEN = createAppSubscription().fcm_token;

/** A row that a developer inserts by mistake, what the message calls it, and what the hint leads to. */
async function expectHint(row: Record<string, unknown>, code: string, message: RegExp, hint: RegExp) {
  const { sql } = db();
  const user = await createUser(sql);
  const insert = (values: Record<string, unknown>) =>
    asUser(sql, user.id, (t) => t`insert into public.push_subscriptions ${t(values as never)}`);
  const refusal = await refusalOf(insert(row));
  expect(refusal).toMatchObject({
    sqlstate: 'PT400',
    code,
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  });
  // What it was may be a secret.
  for (const value of Object.values(row).map(String)) {
    if (value.length > 15) expect(JSON.stringify(refusal)).not.toContain(value);
  }

  const own = 'fcm_token' in row ? createAppSubscription() : createSubscription();
  await insert(own);
  const change = asUser(sql, user.id, (t) => t`update public.push_subscriptions set ${t(row as never)}`);
  expect((await refusalOf(change)).code).toBe(code);
}

test.each([
  ['an Expo token', 'ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]', /Expo push token/, /getToken\(\)/],
  ['a newer Expo token', `ExpoPushToken[${text(16)}]`, /Expo push token/, /getDevicePushTokenAsync/],
  ['an APNs token', hex(32), /APNs/, /Firebase Messaging/],
  ['an APNs token in upper case', hex(32).toUpperCase(), /APNs/, /getToken\(\)/],
  ['a long APNs token', hex(80), /APNs/, /getToken\(\)/],
  ['an APNs token as iOS once printed it', `<${hex(32).replace(/(.{8})(?=.)/g, '$1 ')}>`, /APNs/, /getToken/],
  ['an endpoint', createSubscription().endpoint, /URL/, /endpoint, p256dh and auth/],
  ['a Firebase installation id', `d${text(16).slice(1)}`, /installation id/, /not getId\(\)/],
  [
    'the token of a Firebase installation',
    `eyJhbGciOiJFUzI1NiJ9.${text(60)}.${text(64)}`,
    /Web Token/,
    /getToken/,
  ],
  ['a server key', `AAAA${'x'.repeat(7)}:APA91b${text(100)}`, /server key/, /secret.*revoke/],
  ['an API key', `AIzaSy${'x'.repeat(33)}`, /API key/, /getToken\(\)/],
  ['a JSON object', JSON.stringify({ token: TOKEN }), /JSON/, /alone/],
  ['a JSON string', JSON.stringify(TOKEN), /JSON/, /alone/],
  ['a service account', JSON.stringify({ type: 'service_account', private_key: text(100) }), /JSON/, /alone/],
  ['a UUID', randomUUID(), /UUID/, /getToken\(\)/],
  ['a VAPID key', createKeys().p256dh, /key of Web Push/, /vapidKey/],
  ['white space before it', ` ${TOKEN}`, /white space/, /Trim/],
  ['a line break behind it', `${TOKEN}\n`, /white space/, /unchanged/],
])('%s as fcm_token', async (_what, fcm_token, message, hint) => {
  await expectHint({ channel: 'fcm', fcm_token }, 'fcm_token_malformed', message, hint);
});

test.each([
  ['an Expo token', `ExponentPushToken[${text(16)}]`, /Expo/, /channel "fcm"/],
  ['an FCM token', TOKEN, /FCM token/, /fcm_token/],
  ['an APNs token', hex(32), /APNs/, /channel "fcm"/],
  ['the whole subscription', JSON.stringify(createSubscription()), /JSON/, /subscription\.endpoint/],
  ['the legacy API of FCM', 'https://fcm.googleapis.com/fcm/send', /API/, /subscription\.endpoint/],
  ['the older one of GCM', 'https://android.googleapis.com/gcm/send/', /API/, /subscription\.endpoint/],
  ['white space around it', ` ${createSubscription().endpoint} `, /white space/, /Trim/],
])('%s as endpoint', async (_what, endpoint, message, hint) => {
  await expectHint({ ...createSubscription(), endpoint }, 'endpoint_malformed', message, hint);
});

test('keys that are swapped', async () => {
  const { p256dh, auth } = createKeys();
  await expectHint(
    { ...createSubscription(), p256dh: auth, auth: p256dh },
    'p256dh_invalid',
    /swapped/,
    /keys\.auth/,
  );
});

test('the VAPID key in place of the device’s', async () => {
  const { p256dh } = createKeys();
  const mistake = /VAPID key/;
  await expectHint(
    { ...createSubscription(), p256dh, vapid_key: p256dh },
    'p256dh_invalid',
    mistake,
    /keys\.p256dh/,
  );
  await db().sql`update push.settings set vapid_public_key = ${p256dh}`;
  await expectHint({ ...createSubscription(), p256dh }, 'p256dh_invalid', mistake, /keys\.p256dh/);
  await db().sql`update push.settings set vapid_public_key = null`;
});

test('a private key as VAPID key', async () => {
  await expectHint(
    { ...createSubscription(), vapid_key: text(32) },
    'vapid_key_invalid',
    /public key/,
    /private key/,
  );
});

test.each([
  ['of today', TOKEN],
  ['of an older installation', `c3UYbBx0pQ4:APA91b${text(100)}`],
  ['of GCM', `APA91b${text(100)}`],
  ['of another shape', `kaios:${text(40)}`],
])('a registration token %s is accepted', async (_what, fcm_token) => {
  const user = await createUser(db().sql);
  const rows = await asUser(
    db().sql,
    user.id,
    (t) => t`insert into public.push_subscriptions ${t({ channel: 'fcm', fcm_token })} returning fcm_token`,
  );
  expect([...rows]).toEqual([{ fcm_token }]);
});

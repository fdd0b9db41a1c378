import { beforeAll, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { createKeys, createSubscription, type SubscriptionKeys } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeAll(async () => {
  user = (await createUser(db().sql)).id;
});

/** Keys whose text has the characters in which base64 and base64url differ. */
function keysWithUrlCharacters(): SubscriptionKeys {
  for (;;) {
    const keys = createKeys();
    if (/[-_]/.test(keys.p256dh) && /[-_]/.test(keys.auth)) return keys;
  }
}

const standard = (text: string) => Buffer.from(text, 'base64url').toString('base64');

const SPELLINGS: Record<string, (text: string) => string> = {
  'padded base64url': (text) => text + '='.repeat((4 - (text.length % 4)) % 4),
  'standard base64': (text) => standard(text).replaceAll('=', ''),
  'padded standard base64': standard,
  'base64 in lines of 76': (text) => `${standard(text).replace(/(.{76})/, '$1\r\n')}\n`,
};

test.each(Object.entries(SPELLINGS))('%s is kept as base64url without padding', async (_what, spell) => {
  const { sql } = db();
  const keys = keysWithUrlCharacters();
  const vapidKey = createKeys().p256dh;
  const row = createSubscription({ p256dh: spell(keys.p256dh), auth: spell(keys.auth) });
  const insert = () =>
    asUser(
      sql,
      user,
      (t) => t`
        insert into public.push_subscriptions ${t({ ...row, vapid_key: spell(vapidKey) })}
        on conflict (endpoint) do update set p256dh = excluded.p256dh, auth = excluded.auth`,
    );
  const stored = async () =>
    (
      await sql`select p256dh, auth, vapid_key from public.push_subscriptions where endpoint = ${row.endpoint}`
    )[0];
  await insert();
  expect(await stored()).toEqual({ ...keys, vapid_key: vapidKey });
  await insert();
  await asUser(
    sql,
    user,
    (t) =>
      t`update public.push_subscriptions set auth = ${spell(keys.auth)} where endpoint = ${row.endpoint}`,
  );
  expect(await stored()).toEqual({ ...keys, vapid_key: vapidKey });
});

test('a shared device is known by its keys, however the next user spells them', async () => {
  const { sql } = db();
  const keys = keysWithUrlCharacters();
  const row = createSubscription(keys);
  await asUser(sql, user, (t) => t`insert into public.push_subscriptions ${t(row)}`);
  const next = (await createUser(sql)).id;
  const spelled = { ...row, p256dh: standard(keys.p256dh), auth: standard(keys.auth) };
  await asUser(sql, next, (t) => t`insert into public.push_subscriptions ${t(spelled)}`);
  const rows =
    await sql`select user_id, p256dh from public.push_subscriptions where endpoint = ${row.endpoint}`;
  expect([...rows]).toEqual([{ user_id: next, p256dh: keys.p256dh }]);
});

test('connect notes the VAPID key in the same spelling', async () => {
  const { sql } = db();
  const key = keysWithUrlCharacters().p256dh;
  await sql`select push.connect('https://abcdefghijklmnopqrst.supabase.co', ${'x'.repeat(32)}, ${standard(key)})`;
  expect((await sql`select vapid_public_key from push.settings`)[0]?.vapid_public_key).toBe(key);
});

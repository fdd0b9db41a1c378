import { beforeEach, expect, test } from 'vitest';
import { BELL_SECRET, connectBell, PROJECT_URL } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createKeys, createSubscription, subscribe, subscribeApp } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';
import { writeUnderAnotherKey } from '../../support/vault.ts';

const db = useDatabase();
beforeEach(async () => {
  await db().sql`delete from vault.secrets`;
});

const readVault = async () => {
  const rows = await db()
    .sql`select name, decrypted_secret as secret from vault.decrypted_secrets order by name`;
  return Object.fromEntries(rows.map(({ name, secret }) => [name, secret]));
};

test('both entries are there afterwards', async () => {
  await connectBell(db().sql);
  expect(await readVault()).toEqual({ push_bell_secret: BELL_SECRET, push_project_url: PROJECT_URL });
});

test('connecting again replaces them, and leaves other entries alone', async () => {
  const { sql } = db();
  await sql`select vault.create_secret('theirs', 'something_else')`;
  await connectBell(sql);
  const secret = 'another-secret-of-more-than-32-characters';
  await sql`select push.connect('http://127.0.0.1:54321', ${secret})`;
  expect(await readVault()).toEqual({
    push_bell_secret: secret,
    push_project_url: 'http://127.0.0.1:54321',
    something_else: 'theirs',
  });
});

test('entries of a restored project, which cannot be read, are replaced as well', async () => {
  const { sql } = db();
  await connectBell(sql);
  await writeUnderAnotherKey(db());
  await expect(readVault()).rejects.toMatchObject({ code: '22000' });
  await connectBell(sql);
  expect(await readVault()).toEqual({ push_bell_secret: BELL_SECRET, push_project_url: PROJECT_URL });
});

test('every character that push-dispatch takes may be in the secret', async () => {
  const secret = String.fromCharCode(...Array.from({ length: 94 }, (_, index) => 33 + index));
  await db().sql`select push.connect(${PROJECT_URL}, ${secret})`;
  expect(await readVault()).toMatchObject({ push_bell_secret: secret });
});

test.each([
  [null, BELL_SECRET, 'project_url_malformed'],
  ['', BELL_SECRET, 'project_url_malformed'],
  ['abcdefghijklmnopqrst', BELL_SECRET, 'project_url_malformed'],
  ['ftp://x', BELL_SECRET, 'project_url_malformed'],
  [`${PROJECT_URL}/`, BELL_SECRET, 'project_url_malformed'],
  [`${PROJECT_URL}/functions/v1`, BELL_SECRET, 'project_url_malformed'],
  [`${PROJECT_URL}\n`, BELL_SECRET, 'project_url_malformed'],
  ['https://a..b', BELL_SECRET, 'project_url_malformed'],
  ['https://example.com?x', BELL_SECRET, 'project_url_malformed'],
  ['https://example.com#x', BELL_SECRET, 'project_url_malformed'],
  ['http://kong:65536', BELL_SECRET, 'project_url_malformed'],
  ['https://user@example.com', BELL_SECRET, 'project_url_malformed'],
  [PROJECT_URL, null, 'bell_secret_too_short'],
  [PROJECT_URL, '', 'bell_secret_too_short'],
  [PROJECT_URL, 'x'.repeat(31), 'bell_secret_too_short'],
  [PROJECT_URL, 'a secret with spaces that is long enough otherwise', 'bell_secret_malformed'],
  [PROJECT_URL, `${BELL_SECRET}\n`, 'bell_secret_malformed'],
  [PROJECT_URL, `${BELL_SECRET}\t`, 'bell_secret_malformed'],
  [PROJECT_URL, `${BELL_SECRET}\u007f`, 'bell_secret_malformed'],
  [PROJECT_URL, `\u00a0${BELL_SECRET}`, 'bell_secret_malformed'],
  [PROJECT_URL, 'größer-als-zweiunddreißig-Zeichen-lang', 'bell_secret_malformed'],
])('(%j, %j) is refused, and nothing is written', async (url, secret, code) => {
  const refusal = await refusalOf(db().sql`select push.connect(${url}, ${secret})`);
  expect(refusal).toMatchObject({ sqlstate: 'PT400', code, hint: expect.stringMatching(/\S/) });
  if (secret) expect(JSON.stringify(refusal)).not.toContain(secret);
  expect(await readVault()).toEqual({});
});

test('the first key is noted with the devices that have none, and a later one is not', async () => {
  const { sql } = db();
  const [first, next, own] = [createKeys().p256dh, createKeys().p256dh, createKeys().p256dh];
  const { id } = await createUser(sql);
  const app = await subscribeApp(sql, id);
  const without = await subscribe(sql, id);
  const named = await subscribe(sql, id, { vapid_key: own });
  const keys = async () => {
    const rows = await sql`select id, vapid_key from public.push_subscriptions`;
    return Object.fromEntries(rows.map((row) => [row.id, row.vapid_key]));
  };
  await connectBell(sql);
  expect(await keys()).toEqual({ [app]: null, [without]: null, [named]: own });
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET}, ${first})`;
  expect(await keys()).toEqual({ [app]: null, [without]: first, [named]: own });
  // As a rotation does.
  await sql`update public.push_subscriptions set vapid_key = null where id = ${without}`;
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET}, ${next})`;
  expect(await keys()).toEqual({ [app]: null, [without]: null, [named]: own });
});

test('a device whose key is the VAPID key, which can never be reached, does not stop it', async () => {
  const { sql } = db();
  const { id } = await createUser(sql);
  await sql`update push.settings set vapid_public_key = null where id`;
  const device = createSubscription();
  await subscribe(sql, id, device);
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET}, ${device.p256dh})`;
  expect((await sql`select vapid_public_key from push.settings`)[0]?.vapid_public_key).toBe(device.p256dh);
});

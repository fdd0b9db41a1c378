import { beforeEach, expect, test } from 'vitest';
import { findTakeOver, withTakeOver } from '../../../src/cli/init/take-over.ts';
import { generateVapidPair } from '../../../src/cli/vapid-pair.ts';
import { createUser } from '../../support/postgres.ts';
import { createSubscription, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const OLD = generateVapidPair().publicKey;
const NEW = generateVapidPair().publicKey;

beforeEach(async () => {
  await db().sql`delete from public.push_subscriptions`;
  await db().sql`drop table if exists public.user_push_subscriptions`;
  await db().sql`update push.settings as s set vapid_public_key = ${OLD} where s.id`;
});

/** The project has another pair from now on, and a device that was made with the older one. */
async function rotate(): Promise<void> {
  await subscribe(db().sql, (await createUser(db().sql)).id, createSubscription());
  await db().sql`update push.settings as s set vapid_public_key = ${NEW} where s.id`;
}

/** The VAPID key of a device that is taken over later. */
async function keyOf({ vapidKey, column, value }: { vapidKey?: string; column?: string; value?: string }) {
  const { sql } = db();
  const { id } = await createUser(sql);
  const { endpoint, p256dh, auth } = createSubscription();
  const table = `create table public.user_push_subscriptions (user_id uuid, endpoint text, p256dh text, auth text${column ? `, ${column} text` : ''});`;
  await sql.unsafe(table);
  const row = { user_id: id, endpoint, p256dh, auth, ...(column && { [column]: value ?? null }) };
  await sql`insert into public.user_push_subscriptions ${sql(row)}`;
  const found = findTakeOver([{ file: '1.sql', sql: table }], { table: 'user_push_subscriptions', vapidKey });
  await sql.unsafe(withTakeOver('', found)).simple();
  const [device] = await sql<{ vapid_key: string }[]>`
    select s.vapid_key from public.push_subscriptions as s where s.endpoint = ${endpoint}`;
  return device?.vapid_key;
}

test('a project that has had one key: its devices have that one', async () => {
  expect(await keyOf({})).toBe(OLD);
});

test('after a rotation the key has to be named, and nothing is taken over until it is', async () => {
  await rotate();
  await expect(keyOf({})).rejects.toThrow(
    /several VAPID keys.*--vapid-key <public key>.*npx supapush vapid lists/,
  );
  const [{ devices } = { devices: 0 }] = await db().sql<{ devices: number }[]>`
    select count(*)::int as devices from public.push_subscriptions`;
  expect(devices).toBe(1);
  await db().sql`drop table public.user_push_subscriptions`;
  expect(await keyOf({ vapidKey: OLD })).toBe(OLD);
});

test('a row that says its key has that one, in any base64; what is no key counts as none', async () => {
  await rotate();
  const value = `${OLD.replaceAll('-', '+').replaceAll('_', '/')}=`;
  expect(await keyOf({ column: 'vapid_public_key', value })).toBe(OLD);
  await db().sql`drop table public.user_push_subscriptions`;
  expect(await keyOf({ column: 'vapid_key', value: 'v1', vapidKey: OLD })).toBe(OLD);
});

import { ECDH, randomBytes } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createKeys, createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

const good = Buffer.from(createKeys().p256dh, 'base64url');
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const changed = (index: number, value: number) => {
  const bytes = Buffer.from(good);
  bytes[index] = value;
  return text(bytes);
};
const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const coordinate = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
/** 65 bytes, 0x04 and two numbers. */
const point = (x: bigint, y: bigint) => text(Buffer.concat([Buffer.from([4]), coordinate(x), coordinate(y)]));
// Generator of P-256 (SP 800-186).
const GX = 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n;
const GY = 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n;

const PUBLIC_KEYS: Record<string, string | null> = {
  missing: null,
  empty: '',
  'one byte': text(Buffer.from([4])),
  '64 bytes': text(good.subarray(0, 64)),
  '66 bytes': text(Buffer.concat([good, Buffer.from([0])])),
  '65 zeros': text(Buffer.alloc(65)),
  'the point at infinity': text(Buffer.from([0])),
  'x and y without the 0x04': text(good.subarray(1)),
  'compressed (33 bytes)': ECDH.convertKey(
    good,
    'prime256v1',
    undefined,
    'base64url',
    'compressed',
  ) as string,
  'compressed, padded to 65 bytes': text(
    Buffer.concat([
      ECDH.convertKey(good, 'prime256v1', undefined, undefined, 'compressed') as Buffer,
      Buffer.alloc(32),
    ]),
  ),
  'hybrid 0x06': changed(0, 6),
  'hybrid 0x07': changed(0, 7),
  'first byte 0x05': changed(0, 5),
  'x = y = 0': point(0n, 0n),
  'x = y = 1': point(1n, 1n),
  'x and y swapped': point(GY, GX),
  'y off by one': point(GX, GY + 1n),
  'one bit of x flipped': changed(20, (good[20] as number) ^ 1),
  'x = p': point(P, GY),
  'y = p': point(GX, P),
  'y = 2²⁵⁶ − 1': point(GX, 2n ** 256n - 1n),
  'all ones': point(2n ** 256n - 1n, 2n ** 256n - 1n),
  'random bytes': text(Buffer.concat([Buffer.from([4]), randomBytes(64)])),
  // 65 bytes are 86 characters and four bits: the last character's two low bits must be zero.
  'bits behind the last byte': text(good).slice(0, -1) + nextCharacter(text(good).slice(-1)),
  'a newline in it': `${text(good).slice(0, 40)}\n${text(good).slice(41)}`,
  hexadecimal: good.toString('hex'),
  JSON: JSON.stringify([...good]),
  'not ASCII': 'ü'.repeat(87),
  '10 kB': 'A'.repeat(10_000),
  '10 kB that starts like a key': text(good) + 'A'.repeat(10_000),
};

function nextCharacter(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet.charAt(alphabet.indexOf(character) + 1);
}

const secret = randomBytes(16);
const AUTHS: Record<string, string | null> = {
  missing: null,
  empty: '',
  '15 bytes': text(secret.subarray(1)),
  '17 bytes': text(Buffer.concat([secret, Buffer.from([1])])),
  '32 bytes': text(randomBytes(32)),
  'bits behind the last byte': `${text(secret).slice(0, -1)}B`,
  'white space alone': ' '.repeat(22),
  'not base64 at all': '!'.repeat(22),
  'not ASCII': 'é'.repeat(22),
  '10 kB': 'A'.repeat(10_000),
};

let user: string;
beforeAll(async () => {
  user = (await createUser(db().sql)).id;
});

async function refused(values: Record<string, string | null>) {
  const { sql } = db();
  const row = { ...createSubscription(), ...values };
  return await refusalOf(asUser(sql, user, (t) => t`insert into public.push_subscriptions ${t(row)}`));
}

test.each(Object.entries(PUBLIC_KEYS))('p256dh: %s', async (_what, p256dh) => {
  expect(await refused({ p256dh })).toMatchObject({
    sqlstate: 'PT400',
    code: 'p256dh_invalid',
    message: expect.stringContaining('P-256'),
    hint: expect.stringMatching(/\S/),
  });
});

test.each(Object.entries(AUTHS))('auth: %s', async (_what, auth) => {
  expect(await refused({ auth })).toMatchObject({
    sqlstate: 'PT400',
    code: 'auth_invalid',
    message: expect.stringContaining('16 bytes'),
    hint: expect.stringMatching(/\S/),
  });
});

// A VAPID key is optional, and a P-256 key like the other where it is given.
const VAPID_KEYS = Object.entries(PUBLIC_KEYS).filter(([, key]) => key !== null);
test.each(VAPID_KEYS)('vapid_key: %s', async (_what, vapid_key) => {
  expect(await refused({ vapid_key })).toMatchObject({
    sqlstate: 'PT400',
    code: 'vapid_key_invalid',
    message: expect.stringContaining('P-256'),
    hint: expect.stringMatching(/\S/),
  });
});

test('at update none of them gets in either', async () => {
  const { sql } = db();
  const owner = await createUser(sql);
  const row = createSubscription();
  await asUser(sql, owner.id, (t) => t`insert into public.push_subscriptions ${t(row)}`);
  const cases = [
    ...Object.values(PUBLIC_KEYS).map((p256dh) => [{ p256dh }, 'p256dh_invalid'] as const),
    ...Object.values(AUTHS).map((auth) => [{ auth }, 'auth_invalid'] as const),
    ...VAPID_KEYS.map(([, vapid_key]) => [{ vapid_key }, 'vapid_key_invalid'] as const),
  ];
  for (const [values, code] of cases) {
    const update = asUser(
      sql,
      owner.id,
      (t) => t`update public.push_subscriptions set ${t(values as never)}`,
    );
    expect(await refusalOf(update)).toMatchObject({ sqlstate: 'PT400', code });
  }
});

test('none of them was stored', async () => {
  const rows = await db().sql`select p256dh from public.push_subscriptions where user_id = ${user}`;
  expect([...rows]).toEqual([]);
});

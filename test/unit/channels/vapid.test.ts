import { createECDH, generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import webpush from 'web-push';
import { createVapidAuthorization } from '../../../src/server/channels/webpush/vapid-authorization.ts';
import {
  importAllVapidKeys,
  importVapidKeys,
  signVapid,
  type VapidKeys,
  type VapidSigner,
} from '../../../src/server/channels/webpush/vapid-keys.ts';
import { SupapushError } from '../../../src/shared/errors.ts';
import { createVapidVerifier } from '../../../src/testing/push-service/vapid-verification.ts';

const SUBJECT = 'mailto:push@example.com';
const ORIGIN = 'https://push.example.com';
const HOUR = 3600;

const keys = webpush.generateVAPIDKeys();
let signer: VapidSigner;
beforeAll(async () => {
  signer = await importVapidKeys({ ...keys, subject: SUBJECT });
});

const claimsOf = (header: string): { aud: string; exp: number; sub: string } =>
  JSON.parse(Buffer.from(header.split('.')[1] ?? '', 'base64url').toString());

test('the private key cannot be read back from a signer', () => {
  expect(signer.privateKey.extractable).toBe(false);
  expect(JSON.stringify(signer)).not.toContain(keys.privateKey);
});

describe('a VAPID token', () => {
  test('is accepted by a push service that verifies signature, key, audience, expiry and contact', async () => {
    const now = Date.now();
    const header = await signVapid(signer, ORIGIN, now / 1000 + HOUR);
    const verify = createVapidVerifier(ORIGIN, () => now);
    expect(verify(header, keys.publicKey)).toEqual({ key: keys.publicKey });
    expect(verify(header, webpush.generateVAPIDKeys().publicKey)).toMatchObject({ status: 403 });
    expect(createVapidVerifier('https://other.example.com', () => now)(header, null)).toMatchObject({
      status: 403,
    });
  });

  test('is verified whatever leading zeros its signature has', async () => {
    const verify = createVapidVerifier(ORIGIN, Date.now);
    for (let n = 0; n < 300; n++) {
      const header = await signVapid(signer, ORIGIN, Math.floor(Date.now() / 1000) + 60 + n);
      expect(verify(header, null)).toEqual({ key: keys.publicKey });
    }
  });
});

describe('tokens', () => {
  const start = Date.parse('2026-11-21T12:00:00Z');
  let now = start;
  const authorization = () => createVapidAuthorization(signer, () => now);
  const at = (seconds: number) => {
    now = start + seconds * 1000;
  };

  test('are reused per origin, also by those who ask at once', async () => {
    at(0);
    const authorize = authorization();
    const [first, second] = await Promise.all([authorize(ORIGIN), authorize(ORIGIN)]);
    expect(second).toBe(first);
    at(10 * HOUR);
    expect(await authorize(ORIGIN)).toBe(first);
  });

  test('of different origins differ, each with its own audience', async () => {
    at(0);
    const authorize = authorization();
    const other = 'https://updates.push.services.mozilla.com';
    expect(claimsOf(await authorize(ORIGIN)).aud).toBe(ORIGIN);
    expect(claimsOf(await authorize(other)).aud).toBe(other);
    expect(claimsOf(await authorize(ORIGIN))).toMatchObject({ aud: ORIGIN, sub: SUBJECT });
  });

  test('are renewed well before they expire, and never live longer than 24 hours', async () => {
    at(0);
    const authorize = authorization();
    const issued = new Set<string>();
    for (let seconds = 0; seconds <= 72 * HOUR; seconds += HOUR / 12) {
      at(seconds);
      const header = await authorize(ORIGIN);
      issued.add(header);
      const left = claimsOf(header).exp - now / 1000;
      expect(left).toBeGreaterThanOrEqual(HOUR / 2);
      expect(left).toBeLessThanOrEqual(24 * HOUR);
    }
    expect(issued.size).toBeGreaterThan(1);
    expect(issued.size).toBeLessThan(10);
  });

  test.each([
    ['a day', 24 * HOUR],
    ['hours', 3 * HOUR],
  ])('made by a clock that was %s ahead are not used any more when it has been put right', async (_, off) => {
    at(off);
    const authorize = authorization();
    const early = await authorize(ORIGIN);
    at(0);
    const header = await authorize(ORIGIN);
    expect(header).not.toBe(early);
    expect(createVapidVerifier(ORIGIN, () => now)(header, null)).toEqual({ key: keys.publicKey });
  });

  test('are kept by a clock that steps back by a few minutes', async () => {
    at(5 * 60);
    const authorize = authorization();
    const first = await authorize(ORIGIN);
    at(0);
    expect(await authorize(ORIGIN)).toBe(first);
  });

  test.each([-10, 10])('are accepted by a push service whose clock is %i minutes off', async (minutes) => {
    at(0);
    const verify = createVapidVerifier(ORIGIN, () => now + minutes * 60_000);
    expect(verify(await authorization()(ORIGIN), null)).toEqual({ key: keys.publicKey });
  });

  test('of ever new origins do not fill the memory, and are right after the memory was cleared', async () => {
    at(0);
    const authorize = authorization();
    const first = await authorize(ORIGIN);
    for (let n = 0; n < 1100; n++) await authorize(`https://x${n}.push.apple.com`);
    const again = await authorize(ORIGIN);
    expect(again, 'it was forgotten in between').not.toBe(first);
    expect(claimsOf(again).aud).toBe(ORIGIN);
  });
});

describe('a key pair that cannot sign is refused', () => {
  const other = webpush.generateVAPIDKeys();
  const compressed = createECDH('prime256v1');
  compressed.setPrivateKey(Buffer.from(keys.privateKey, 'base64url'));
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'jwk' });
  const flipped = Buffer.from(keys.publicKey, 'base64url');
  flipped[64] = (flipped[64] ?? 0) ^ 1;
  const zeroPoint = Buffer.alloc(65);
  zeroPoint[0] = 4;

  const { publicKey, privateKey } = keys;
  test.each([
    ['of two pairs', publicKey, other.privateKey],
    ['of two pairs', other.publicKey, privateKey],
    ['swapped', privateKey, publicKey],
    ['with an empty public key', '', privateKey],
    ['with an empty private key', publicKey, ''],
    ['with a compressed public key', compressed.getPublicKey('base64url', 'compressed'), privateKey],
    ['with a public key off the curve', flipped.toString('base64url'), privateKey],
    ['with a public key of zeros', zeroPoint.toString('base64url'), privateKey],
    ['with a padded public key', `${publicKey}=`, privateKey],
    ['with a private key in standard base64', publicKey, `${privateKey.slice(0, -1)}+`],
    ['with a private key that is too short', publicKey, privateKey.slice(0, -4)],
    ['with a private key that is too long', publicKey, `${privateKey}AAAA`],
    ['with a private key of zeros', publicKey, Buffer.alloc(32).toString('base64url')],
    ['with a private key beyond the order', publicKey, Buffer.alloc(32, 0xff).toString('base64url')],
    ['with a private key of another curve', publicKey, String(p384.d)],
    ['with a private key in quotes', publicKey, `"${privateKey}"`],
    ['with a private key and a line break', publicKey, `${privateKey}\n`],
  ])('%s', async (_, givenPublic, givenPrivate) => {
    const error = await importVapidKeys({
      publicKey: givenPublic,
      privateKey: givenPrivate,
      subject: SUBJECT,
    }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(SupapushError);
    expect(error).toMatchObject({ code: 'vapid_keys_invalid', status: 503 });
    // What the runtime says of a key may quote it.
    expect((error as Error).cause).toBeUndefined();
    const said = `${(error as Error).message}${JSON.stringify(error)}`;
    if (givenPrivate !== '') expect(said).not.toContain(givenPrivate);
    expect(said).not.toContain(privateKey);
  });
});

describe('the error names the variable', () => {
  const good = { ...keys, subject: SUBJECT };
  test.each([
    ['VAPID_PUBLIC_KEY must be', [{ ...good, publicKey: '' }, good]],
    ['VAPID_PRIVATE_KEY must be', [{ ...good, privateKey: '' }, good]],
    ['VAPID_PREVIOUS_KEYS[0].publicKey must be', [good, { ...good, publicKey: 'x' }]],
    ['VAPID_PREVIOUS_KEYS[1].privateKey must be', [good, good, { ...good, privateKey: 'x' }]],
    [
      'VAPID_PREVIOUS_KEYS[0].publicKey and VAPID_PREVIOUS_KEYS[0].privateKey do not',
      [good, { ...good, publicKey: webpush.generateVAPIDKeys().publicKey }],
    ],
  ] satisfies [string, [VapidKeys, ...VapidKeys[]]][])('%s', async (words, pairs) => {
    const error = await importAllVapidKeys(pairs).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'vapid_keys_invalid', message: expect.stringContaining(words) });
    if (words.includes('PREVIOUS')) expect((error as Error).message).not.toContain('VAPID_PUBLIC_KEY');
  });
});

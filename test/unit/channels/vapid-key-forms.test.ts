import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect, test } from 'vitest';
import { privateKeyOf, publicKeyOf } from '../../../src/server/channels/webpush/vapid-key-forms.ts';
import { importVapidKeys } from '../../../src/server/channels/webpush/vapid-keys.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = pair.privateKey.export({ format: 'jwk' });
const raw = {
  public: Buffer.concat([
    Buffer.from([4]),
    Buffer.from(jwk.x ?? '', 'base64url'),
    Buffer.from(jwk.y ?? '', 'base64url'),
  ]),
  private: Buffer.from(jwk.d ?? '', 'base64url'),
};
const KEYS = { publicKey: raw.public.toString('base64url'), privateKey: raw.private.toString('base64url') };

const pem = (key: KeyObject, type: 'spki' | 'pkcs8' | 'sec1'): string =>
  key.export({ type: type as 'sec1', format: 'pem' }).toString();
const der = (key: KeyObject, type: 'spki' | 'pkcs8' | 'sec1'): Buffer =>
  key.export({ type: type as 'sec1', format: 'der' });

/** PKCS #8 without the public key, as WebCrypto in some runtimes and Java write it. */
const bare = Buffer.concat([
  Buffer.from('3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420', 'hex'),
  raw.private,
]);

test.each<[string, string]>([
  ['as it is', KEYS.publicKey],
  ['in padded base64url', `${KEYS.publicKey}=`],
  ['in standard base64', raw.public.toString('base64')],
  ['with a line break behind it', `${KEYS.publicKey}\n`],
  ['in PEM', pem(pair.publicKey, 'spki')],
  ['in PEM on one line, as an environment holds it', pem(pair.publicKey, 'spki').replaceAll('\n', '\\n')],
  ['in PEM with the line breaks of Windows', pem(pair.publicKey, 'spki').replaceAll('\n', '\r\n')],
  ['in DER, base64url', der(pair.publicKey, 'spki').toString('base64url')],
  ['in DER, base64', der(pair.publicKey, 'spki').toString('base64')],
])('a public key %s is the same key', (_what, text) => {
  expect(publicKeyOf(text)).toBe(KEYS.publicKey);
});

test.each<[string, string]>([
  ['as it is', KEYS.privateKey],
  ['in padded base64url', `${KEYS.privateKey}=`],
  ['in standard base64', raw.private.toString('base64')],
  ['in PEM of PKCS #8, as py-vapid writes it', pem(pair.privateKey, 'pkcs8')],
  ['in PEM of SEC 1, as openssl writes it', pem(pair.privateKey, 'sec1')],
  [
    'with the parameters before it',
    `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${pem(pair.privateKey, 'sec1')}`,
  ],
  ['in PEM on one line', pem(pair.privateKey, 'pkcs8').replaceAll('\n', '\\n')],
  ['in DER, base64url, as py-vapid reads it', der(pair.privateKey, 'pkcs8').toString('base64url')],
  ['in DER of SEC 1, base64', der(pair.privateKey, 'sec1').toString('base64')],
  ['in DER without the public key', bare.toString('base64url')],
])('a private key %s is the same key', async (_what, text) => {
  expect(privateKeyOf(text)).toBe(KEYS.privateKey);
  expect(createPrivateKey({ key: bare, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' }).d).toBe(
    KEYS.privateKey,
  );
  await importVapidKeys({
    publicKey: publicKeyOf(KEYS.publicKey),
    privateKey: privateKeyOf(text),
    subject: 'mailto:a@example.com',
  });
});

const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const k256 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });

test.each<[string, string, string]>([
  ['nothing', '', ''],
  ['words', 'not a key', 'not a key'],
  ['keys of another curve', pem(p384.publicKey, 'spki'), pem(p384.privateKey, 'pkcs8')],
  ['keys of another curve of 256 bits', pem(k256.publicKey, 'spki'), pem(k256.privateKey, 'pkcs8')],
  [
    'a key that is cut off',
    der(pair.publicKey, 'spki').subarray(0, 60).toString('base64'),
    bare.subarray(0, 50).toString('base64'),
  ],
  ['keys that are swapped', KEYS.privateKey, pem(pair.publicKey, 'spki')],
])('%s are no keys, and are refused without being shown', async (_what, publicText, privateText) => {
  for (const given of [
    { publicKey: publicKeyOf(publicText), privateKey: KEYS.privateKey },
    { publicKey: KEYS.publicKey, privateKey: privateKeyOf(privateText) },
  ]) {
    const error = await importVapidKeys({ ...given, subject: 'mailto:a@example.com' }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'vapid_keys_invalid' });
    expect(String(error)).not.toContain(KEYS.privateKey);
  }
});

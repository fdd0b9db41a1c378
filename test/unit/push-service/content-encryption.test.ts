import { createCipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import webpush from 'web-push';
import {
  createReceiverKeys,
  decryptContent,
  type ReceiverKeys,
  readEncryptedRecord,
  receiverKeysFrom,
} from '../../../src/testing/push-service/content-encryption.ts';

const bytes = (base64url: string) => Buffer.from(base64url, 'base64url');

/** RFC 8291 section 5 and appendix A. */
const EXAMPLE = {
  privateKey: 'q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94',
  publicKey: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  authSecret: 'BTBZMqHH6r4Tts7J_aSIgg',
  salt: 'DGv6ra1nlYgDCS1FRnbzlw',
  senderKey: 'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8',
  body:
    'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEq' +
    'KK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
};

function exampleKeys(): ReceiverKeys {
  return receiverKeysFrom(bytes(EXAMPLE.privateKey), bytes(EXAMPLE.authSecret));
}

/** Encrypts a record whose delimiter and padding the caller gives. */
function encryptRecord(record: Buffer, keys: ReceiverKeys): Buffer {
  const sender = createECDH('prime256v1');
  const senderKey = sender.generateKeys();
  const salt = randomBytes(16);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), keys.publicKey, senderKey]);
  const shared = sender.computeSecret(keys.publicKey);
  const secret = Buffer.from(hkdfSync('sha256', shared, keys.authSecret, info, 32));
  const key = hkdfSync('sha256', secret, salt, 'Content-Encoding: aes128gcm\0', 16);
  const nonce = hkdfSync('sha256', secret, salt, 'Content-Encoding: nonce\0', 12);
  const cipher = createCipheriv('aes-128-gcm', Buffer.from(key), Buffer.from(nonce));
  const header = Buffer.alloc(5);
  header.writeUInt32BE(4096);
  header[4] = 65;
  return Buffer.concat([salt, header, senderKey, cipher.update(record), cipher.final(), cipher.getAuthTag()]);
}

describe('decryptContent', () => {
  it('reads the worked example of RFC 8291', () => {
    const keys = exampleKeys();
    expect(keys.publicKey.toString('base64url')).toBe(EXAMPLE.publicKey);
    expect(decryptContent(bytes(EXAMPLE.body), keys).toString()).toBe(
      'When I grow up, I want to be a watermelon',
    );
  });

  it.each([1, 41, 3052, 3993])('reads %i bytes encrypted by web-push', (length) => {
    const keys = createReceiverKeys();
    const text = 'ä'.repeat(length / 2).padEnd(length % 2 ? 1 : 0, 'x');
    const { cipherText } = webpush.encrypt(
      keys.publicKey.toString('base64url'),
      keys.authSecret.toString('base64url'),
      text,
      'aes128gcm',
    );
    expect(decryptContent(cipherText, keys).toString()).toBe(text);
  });

  it('removes padding', () => {
    const keys = createReceiverKeys();
    const body = encryptRecord(Buffer.from('hello\x02\0\0\0'), keys);
    expect(decryptContent(body, keys).toString()).toBe('hello');
  });

  it.each([
    ['announces another record', 'hello\x01'],
    ['has no delimiter', 'hello'],
    ['is all padding', '\0\0\0'],
  ])('refuses a record that %s', (_, record) => {
    const keys = createReceiverKeys();
    expect(() => decryptContent(encryptRecord(Buffer.from(record), keys), keys)).toThrow(
      expect.objectContaining({ code: 'undecryptable' }),
    );
  });

  it.each([
    ['salt', 0],
    ["sender's key", 40],
    ['ciphertext', 90],
    ['tag', -1],
  ])('refuses a body with a changed %s', (_, position) => {
    const body = bytes(EXAMPLE.body);
    const index = position < 0 ? body.length + position : position;
    body.writeUInt8(body.readUInt8(index) ^ 1, index);
    expect(() => decryptContent(body, exampleKeys())).toThrow(
      expect.objectContaining({ code: 'undecryptable' }),
    );
  });

  it('refuses a body made for another private key', () => {
    const other = createReceiverKeys();
    const keys = { ...other, authSecret: bytes(EXAMPLE.authSecret) };
    expect(() => decryptContent(bytes(EXAMPLE.body), keys)).toThrow(
      expect.objectContaining({ code: 'undecryptable' }),
    );
  });

  it('refuses a body made for another auth secret', () => {
    const keys = receiverKeysFrom(bytes(EXAMPLE.privateKey), randomBytes(16));
    expect(() => decryptContent(bytes(EXAMPLE.body), keys)).toThrow(
      expect.objectContaining({ code: 'undecryptable' }),
    );
  });
});

describe('readEncryptedRecord', () => {
  it('takes the header of RFC 8188 apart', () => {
    const record = readEncryptedRecord(bytes(EXAMPLE.body));
    expect(record?.salt).toEqual(bytes(EXAMPLE.salt));
    expect(record?.senderKey).toEqual(bytes(EXAMPLE.senderKey));
    expect(record?.recordSize).toBe(4096);
  });

  it.each([
    ['a key id of another length', (body: Buffer) => body.writeUInt8(64, 20)],
    ['a compressed key', (body: Buffer) => body.writeUInt8(0x02, 21)],
    ['a record size below 18', (body: Buffer) => body.writeUInt32BE(17, 16)],
    ['more than one record', (body: Buffer) => body.writeUInt32BE(20, 16)],
  ])('refuses %s', (_, damage) => {
    const body = bytes(EXAMPLE.body);
    damage(body);
    expect(readEncryptedRecord(body)).toBeUndefined();
  });

  it('refuses a body too short to hold a delimiter', () => {
    const body = bytes(EXAMPLE.body);
    expect(readEncryptedRecord(body.subarray(0, 86 + 17))).toBeDefined();
    expect(readEncryptedRecord(body.subarray(0, 86 + 16))).toBeUndefined();
  });
});

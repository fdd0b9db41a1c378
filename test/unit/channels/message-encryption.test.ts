import { createECDH, randomBytes } from 'node:crypto';
import ece from 'http_ece';
import { expect, test } from 'vitest';
import { decodeBase64Url } from '../../../src/channels/base64url.ts';
import { encryptMessage } from '../../../src/channels/webpush/message-encryption.ts';

const bytes = (text: string) => decodeBase64Url(text) as Uint8Array<ArrayBuffer>;

test('the worked example of RFC 8291, Appendix A, comes out byte for byte', async () => {
  const senderPublic = bytes(
    'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8',
  );
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: Buffer.from(senderPublic.subarray(1, 33)).toString('base64url'),
    y: Buffer.from(senderPublic.subarray(33)).toString('base64url'),
  };
  const algorithm = { name: 'ECDH', namedCurve: 'P-256' };
  const privateJwk = { ...jwk, d: 'yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw' };
  const keyPair = {
    privateKey: await crypto.subtle.importKey('jwk', privateJwk, algorithm, true, ['deriveBits']),
    publicKey: await crypto.subtle.importKey('jwk', jwk, algorithm, true, []),
  };
  const body = await encryptMessage(
    new TextEncoder().encode('When I grow up, I want to be a watermelon'),
    {
      p256dh: bytes(
        'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
      ),
      auth: bytes('BTBZMqHH6r4Tts7J_aSIgg'),
    },
    { salt: bytes('DGv6ra1nlYgDCS1FRnbzlw'), keyPair },
  );
  expect(Buffer.from(body).toString('base64url')).toBe(
    'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
  );
});

test('an independent implementation decrypts every length from 0 to 3993 bytes', async () => {
  const receiver = createECDH('prime256v1');
  receiver.generateKeys();
  const auth = new Uint8Array(randomBytes(16));
  const p256dh = new Uint8Array(receiver.getPublicKey());
  const lengths = [
    0,
    1,
    15,
    16,
    17,
    3052,
    3992,
    3993,
    ...Array.from({ length: 200 }, (_, n) => (n * 7919) % 3994),
  ];
  for (const length of lengths) {
    const plaintext = new Uint8Array(randomBytes(length));
    const body = await encryptMessage(plaintext, { p256dh, auth });
    expect(body.length).toBe(86 + length + 17);
    const decrypted = ece.decrypt(Buffer.from(body), {
      version: 'aes128gcm',
      privateKey: receiver,
      authSecret: Buffer.from(auth).toString('base64url'),
    });
    expect(Buffer.compare(decrypted, plaintext), `length ${length}`).toBe(0);
  }
});

test('key pair and salt are fresh for every message', async () => {
  const receiver = createECDH('prime256v1');
  const keys = { p256dh: new Uint8Array(receiver.generateKeys()), auth: new Uint8Array(randomBytes(16)) };
  const headers = new Set<string>();
  for (let n = 0; n < 50; n++) {
    const body = await encryptMessage(new Uint8Array(1), keys);
    headers
      .add(Buffer.from(body.subarray(0, 16)).toString('hex'))
      .add(Buffer.from(body.subarray(21, 86)).toString('hex'));
  }
  expect(headers.size).toBe(100);
});

test('a key that is no point of the curve is refused', async () => {
  const p256dh = new Uint8Array(65).fill(1);
  p256dh[0] = 4;
  await expect(encryptMessage(new Uint8Array(1), { p256dh, auth: new Uint8Array(16) })).rejects.toThrow();
});

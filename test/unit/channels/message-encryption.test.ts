import { createECDH, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { encryptMessage } from '../../../src/server/channels/webpush/message-encryption.ts';
import { decodeBase64Url } from '../../../src/shared/base64url.ts';
import { createReceiverKeys, decryptContent } from '../../../src/testing/push-service/content-encryption.ts';

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
    { fixed: { salt: bytes('DGv6ra1nlYgDCS1FRnbzlw'), keyPair } },
  );
  expect(Buffer.from(body).toString('base64url')).toBe(
    'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
  );
});

describe('a message is read by its device', () => {
  const device = createReceiverKeys();
  const keys = { p256dh: new Uint8Array(device.publicKey), auth: new Uint8Array(device.authSecret) };
  const arrives = async () => {
    const body = await encryptMessage(new TextEncoder().encode('Hello'), keys);
    expect(decryptContent(Buffer.from(body), device).toString()).toBe('Hello');
  };
  const { subtle } = crypto;
  beforeEach(() => vi.stubGlobal('Deno', {}));
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  test('where a private key may come without its public half', async () => {
    const imported = vi.spyOn(subtle, 'importKey');
    await arrives();
    expect(imported.mock.calls.filter(([format]) => format === 'pkcs8')).toHaveLength(1);
  });

  test('where it may not', async () => {
    const importKey = subtle.importKey.bind(subtle) as (...given: unknown[]) => Promise<CryptoKey>;
    vi.spyOn(subtle, 'importKey').mockImplementation((...given: unknown[]) =>
      given[0] === 'pkcs8' ? Promise.reject(new DOMException('no', 'DataError')) : importKey(...given),
    );
    await arrives();
  });

  test('where keys are exported in another form', async () => {
    const exportKey = subtle.exportKey.bind(subtle) as (...given: unknown[]) => Promise<ArrayBuffer>;
    vi.spyOn(subtle, 'exportKey').mockImplementation(((format: string, key: CryptoKey) =>
      format === 'pkcs8' ? Promise.resolve(new ArrayBuffer(138)) : exportKey(format, key)) as never);
    await arrives();
  });
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

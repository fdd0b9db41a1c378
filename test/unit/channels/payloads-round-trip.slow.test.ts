import { createECDH, randomInt } from 'node:crypto';
import ece from 'http_ece';
import { expect, onTestFinished, test, vi } from 'vitest';
import webpush from 'web-push';
import { encryptMessage } from '../../../src/server/channels/webpush/message-encryption.ts';
import { decryptContent, receiverKeysFrom } from '../../../src/testing/push-service/content-encryption.ts';
import { createRandom } from '../../support/random-content.ts';

// SEED=… repeats a run that failed. Key pairs and salts are fresh in each: only Node knows how to make them.
const SEED = Number(process.env.SEED ?? randomInt(2 ** 32));
const AT_ONCE = 100;
const LONGEST = 3993;
// Seconds of CPU each, on machines that may be busy with other tests.
const TIMEOUT = 180_000;

const random = createRandom(SEED);
const noise = Uint8Array.from({ length: 2 * LONGEST }, () => random(256));
const randomBytes = (length: number) => noise.slice(random(LONGEST)).slice(0, length);

const devices = Array.from({ length: 20 }, () => {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(randomBytes(32));
  return receiverKeysFrom(ecdh.getPrivateKey(), Buffer.from(randomBytes(16)));
});
type Device = (typeof devices)[number];

/** Fails unless both the device of the local push service and an independent implementation read it. */
async function ourWay(payload: Uint8Array<ArrayBuffer>, device: Device, padding: number): Promise<void> {
  const { ecdh, publicKey, authSecret } = device;
  const keys = { p256dh: new Uint8Array(publicKey), auth: new Uint8Array(authSecret) };
  const body = Buffer.from(await encryptMessage(payload, keys, { padding }));
  expect(body.length).toBe(86 + payload.length + padding + 17);
  const theirs = ece.decrypt(body, {
    version: 'aes128gcm',
    privateKey: ecdh,
    authSecret: authSecret.toString('base64url'),
  });
  if (Buffer.compare(theirs, payload) !== 0) throw new Error('http_ece read something else');
  if (Buffer.compare(decryptContent(body, device), payload) !== 0)
    throw new Error('the device read something else');
}

/** Fails unless the device of the local push service reads what `web-push` encrypted. */
function theirWay(payload: Uint8Array, device: Device): void {
  const { cipherText } = webpush.encrypt(
    device.publicKey.toString('base64url'),
    device.authSecret.toString('base64url'),
    // Buffers are allowed; the types do not know it.
    Buffer.from(payload) as unknown as string,
    'aes128gcm',
  );
  if (Buffer.compare(decryptContent(cipherText, device), payload) !== 0)
    throw new Error('the device read something else');
}

/** Random payloads of 0 to 3993 bytes, some of them padded; whatever fails says how to repeat it. */
async function withPayloads(
  count: number,
  tryOne: (payload: Uint8Array<ArrayBuffer>, device: Device, padding: number) => unknown,
): Promise<void> {
  for (let start = 0; start < count; start += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, index) => {
        const length = [0, 1, LONGEST][start + index] ?? random(LONGEST + 1);
        const device = devices[random(devices.length)] as Device;
        const padding = random(3) === 0 ? random(LONGEST + 1 - length) : 0;
        try {
          await tryOne(randomBytes(length), device, padding);
        } catch (cause) {
          throw new Error(`${length} bytes, padding ${padding}. SEED=${SEED} repeats it.`, { cause });
        }
      }),
    );
  }
}

// Deno uses the private key in another form: each takes half of the 10,000.
test.each(['Node', 'Deno'])(
  '5,000 payloads of any length, encrypted as in %s, are read by others',
  async (runtime) => {
    if (runtime === 'Deno') vi.stubGlobal('Deno', {});
    onTestFinished(() => void vi.unstubAllGlobals());
    await withPayloads(5_000, ourWay);
  },
  TIMEOUT,
);

test(
  '5,000 payloads of any length, encrypted by web-push, are read by the local push service',
  async () => {
    await withPayloads(5_000, theirWay);
  },
  TIMEOUT,
);

import { createECDH, createHash, ECDH } from 'node:crypto';
import { expect, test } from 'vitest';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

/** The same bytes in every run. */
function bytesOf(seed: string): Buffer {
  return createHash('sha256').update(`supapush curve ${seed}`).digest();
}

function publicKey(seed: string): Buffer {
  const device = createECDH('prime256v1');
  device.setPrivateKey(bytesOf(seed));
  return device.getPublicKey();
}

/** Whether OpenSSL takes it as an uncompressed point; it would also take hybrid ones, which RFC 8291 does not. */
function isPoint(bytes: Buffer): boolean {
  if (bytes.length !== 65 || bytes[0] !== 4) return false;
  try {
    ECDH.convertKey(bytes, 'prime256v1');
    return true;
  } catch {
    return false;
  }
}

async function inDatabase(keys: Buffer[]): Promise<boolean[]> {
  const texts = keys.map((key) => key.toString('hex'));
  const rows = await db().sql<{ valid: boolean }[]>`
    select push.is_p256_point(decode(k.text, 'hex')) as valid
    from unnest(${texts}::text[]) with ordinality as k (text, position) order by k.position`;
  return rows.map(({ valid }) => valid);
}

const KEYS = Array.from({ length: 300 }, (_, index) => publicKey(`key ${index}`));

test('300 keys are on the curve', async () => {
  expect(KEYS.every(isPoint)).toBe(true);
  expect(await inDatabase(KEYS)).toEqual(KEYS.map(() => true));
});

test('the mirror image of a key is on the curve too', async () => {
  const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
  const mirrored = KEYS.slice(0, 50).map((key) => {
    const y = BigInt(`0x${key.subarray(33).toString('hex')}`);
    return Buffer.concat([key.subarray(0, 33), Buffer.from((p - y).toString(16).padStart(64, '0'), 'hex')]);
  });
  expect(mirrored.every(isPoint)).toBe(true);
  expect(await inDatabase(mirrored)).toEqual(mirrored.map(() => true));
});

test('of 600 keys with one bit flipped, both say the same', async () => {
  const mutated = Array.from({ length: 600 }, (_, index) => {
    const key = Buffer.from(KEYS[index % KEYS.length] as Buffer);
    const bit = bytesOf(`bit ${index}`).readUInt32BE() % (65 * 8);
    key.writeUInt8(key.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return key;
  });
  const expected = mutated.map(isPoint);
  expect(expected).toContain(false);
  expect(await inDatabase(mutated)).toEqual(expected);
});

test('of 300 random numbers, both say the same', async () => {
  const random = Array.from({ length: 300 }, (_, index) =>
    Buffer.concat([Buffer.from([4]), bytesOf(`x ${index}`), bytesOf(`y ${index}`)]),
  );
  expect(await inDatabase(random)).toEqual(random.map(isPoint));
});

test('points with x ≥ p are refused, though x mod p is on the curve', async () => {
  const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
  const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
  const hex = (value: bigint) => value.toString(16).padStart(64, '0');
  const aliases: { small: Buffer; large: Buffer }[] = [];
  for (let x = 0n; aliases.length < 10; x += 1n) {
    const square = (((x * x * x - 3n * x + b) % p) + p) % p;
    const y = power(square, (p + 1n) / 4n, p);
    if ((y * y) % p !== square) continue;
    aliases.push({
      small: Buffer.from(`04${hex(x)}${hex(y)}`, 'hex'),
      large: Buffer.from(`04${hex(x + p)}${hex(y)}`, 'hex'),
    });
  }
  expect(aliases.map(({ small }) => isPoint(small))).toEqual(aliases.map(() => true));
  expect(await inDatabase(aliases.map(({ small }) => small))).toEqual(aliases.map(() => true));
  expect(await inDatabase(aliases.map(({ large }) => large))).toEqual(aliases.map(() => false));
});

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let factor = base % modulus, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * factor) % modulus;
    factor = (factor * factor) % modulus;
  }
  return result;
}

test('base64url: every length decodes to its bytes, and no other spelling decodes at all', async () => {
  const { sql } = db();
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n.';
  const texts = [''].concat(
    ...Array.from({ length: 90 }, (_, length) => {
      const bytes = Buffer.concat([bytesOf(`b ${length}`), bytesOf(`c ${length}`), bytesOf(`d ${length}`)]);
      const text = bytes.subarray(0, length).toString('base64url');
      const at = length === 0 ? 0 : bytes.readUInt16BE() % text.length;
      const other = alphabet.charAt(bytes.readUInt16BE(2) % alphabet.length);
      return [
        text,
        text.slice(0, at) + other + text.slice(at + 1),
        `${text}=`,
        text.slice(0, -1),
        `${text}A`,
      ];
    }),
  );
  const expected = texts.map((text) => {
    const bytes = Buffer.from(text, 'base64url');
    return text !== '' && bytes.toString('base64url') === text ? bytes.toString('hex') : null;
  });
  const rows = await sql<{ hex: string | null }[]>`
    select encode(push.decode_base64url(t.text), 'hex') as hex
    from unnest(${texts}::text[]) with ordinality as t (text, position) order by t.position`;
  expect(rows.map(({ hex }) => hex)).toEqual(expected);
});

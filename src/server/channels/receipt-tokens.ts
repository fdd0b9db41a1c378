import { decodeBase64Url, encodeBase64Url } from '../../shared/base64url.ts';

/** Makes and verifies the tokens by which a device proves that a delivery reached it. */
export interface ReceiptTokens {
  /** `<delivery id>.<mac>`, at most 42 characters. */
  sign(deliveryId: number): Promise<string>;
  /** The id of the delivery that the token was made for, in decimal digits; null when it was not made here. */
  verify(token: string): Promise<string | null>;
}

/** What a delivery carries for its receipts: its token, or nothing where its user wants none. */
export async function receiptOf(
  { deliveryId, receipts = true }: { deliveryId: number; receipts?: boolean },
  tokens: Pick<ReceiptTokens, 'sign'>,
): Promise<string> {
  return receipts ? tokens.sign(deliveryId) : '';
}

const encoder = new TextEncoder();
const MAC_BYTES = 16;
// Deliveries are made, claimed and sent one after the other, so neighbours share one derivation: each alone would cost a
// dispatcher about 6 % of a whole send, most of it for the way to WebCrypto's threads and back.
const BLOCK = 16;
const MAX_BLOCKS = 100;
// No leading zeros: one spelling for each id.
const TOKEN = /^([1-9][0-9]{0,18})\.([A-Za-z0-9_-]{22})$/;

/**
 * The mac of a delivery is 16 bytes that HKDF-SHA-256 (RFC 5869, an HMAC in counter mode) makes of a VAPID private key, so
 * that there is no other secret to keep. The salt is the project's URL, so that a copy of the project with the same keys
 * takes none of its tokens; `info` names the block of 16 ids, and each id has a piece of the output of its own.
 *
 * @param pairs private keys of 32 bytes in base64url, newest first: the first signs, all verify
 */
export async function createReceiptTokens(
  pairs: [{ privateKey: string }, ...{ privateKey: string }[]],
  projectUrl: string,
): Promise<ReceiptTokens> {
  const salt = encoder.encode(new URL(projectUrl).origin);
  const [newest, ...older] = pairs;
  const signingKey = await importKey(newest.privateKey);
  const keys = [signingKey, ...(await Promise.all(older.map(({ privateKey }) => importKey(privateKey))))];
  const blocks = new Map<bigint, Promise<Uint8Array>>();

  return {
    async sign(deliveryId) {
      const id = BigInt(deliveryId);
      const number = id / BigInt(BLOCK);
      const block = blocks.get(number) ?? deriveBlock(signingKey, salt, number);
      if (!blocks.has(number)) {
        if (blocks.size >= MAX_BLOCKS) blocks.clear();
        blocks.set(number, block);
      }
      return `${id}.${macIn(await block, id)}`;
    },
    async verify(token) {
      const [, digits, given] = TOKEN.exec(token) ?? [];
      if (digits === undefined || given === undefined) return null;
      const id = BigInt(digits);
      // Not kept, because an attacker can ask about any number of ids.
      const derived = await Promise.all(keys.map((key) => deriveBlock(key, salt, id / BigInt(BLOCK))));
      // All of them, whichever it is.
      return derived.map((block) => isSame(given, macIn(block, id))).includes(true) ? digits : null;
    },
  };
}

async function importKey(privateKey: string): Promise<CryptoKey> {
  const bytes = decodeBase64Url(privateKey);
  if (bytes?.length !== 32) throw new TypeError('A VAPID private key has 32 bytes in base64url.');
  return crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits']);
}

async function deriveBlock(
  key: CryptoKey,
  salt: Uint8Array<ArrayBuffer>,
  number: bigint,
): Promise<Uint8Array> {
  const info = encoder.encode(`supapush receipts ${number}`);
  const derivation = { name: 'HKDF', hash: 'SHA-256', salt, info };
  return new Uint8Array(await crypto.subtle.deriveBits(derivation, key, BLOCK * MAC_BYTES * 8));
}

function macIn(block: Uint8Array, id: bigint): string {
  const start = Number(id % BigInt(BLOCK)) * MAC_BYTES;
  return encodeBase64Url(block.subarray(start, start + MAC_BYTES));
}

/** In time that does not depend on where they differ; both have 22 characters, and a mac is spelled in one way only. */
function isSame(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length;
  for (let index = 0; index < expected.length; index += 1)
    difference |= given.charCodeAt(index) ^ expected.charCodeAt(index);
  return difference === 0;
}

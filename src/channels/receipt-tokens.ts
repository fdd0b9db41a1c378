import { decodeBase64Url, encodeBase64Url } from './base64url.ts';

/** Makes and verifies the tokens by which a device proves that a delivery reached it. */
export interface ReceiptTokens {
  /** `<delivery id>.<mac>`, at most 42 characters. */
  sign(deliveryId: number): Promise<string>;
  /** The id of the delivery that the token was made for, in decimal digits; null when it was not made here. */
  verify(token: string): Promise<string | null>;
}

const encoder = new TextEncoder();
const INFO = encoder.encode('supapush receipts');
const HMAC = { name: 'HMAC', hash: 'SHA-256', length: 256 };
const MAC_BYTES = 16;
// No leading zeros: one spelling for each id.
const TOKEN = /^([1-9][0-9]{0,18})\.([A-Za-z0-9_-]{22})$/;

/**
 * Tokens are signed with HMAC-SHA-256, cut to 16 bytes (RFC 2104 section 5). The key is derived by HKDF (RFC 5869) from a
 * VAPID private key, so that there is no other secret to keep, and from the project's URL, so that a copy of the project with
 * the same keys takes none of its tokens.
 *
 * @param pairs private keys of 32 bytes in base64url, newest first: the first signs, all verify
 */
export async function createReceiptTokens(
  pairs: [{ privateKey: string }, ...{ privateKey: string }[]],
  projectUrl: string,
): Promise<ReceiptTokens> {
  const salt = encoder.encode(new URL(projectUrl).origin);
  const [newest, ...older] = pairs;
  const signingKey = await deriveKey(newest.privateKey, salt);
  const keys = [signingKey, ...(await Promise.all(older.map((pair) => deriveKey(pair.privateKey, salt))))];

  return {
    async sign(deliveryId) {
      return `${deliveryId}.${await mac(signingKey, String(deliveryId))}`;
    },
    async verify(token) {
      const [, id, given] = TOKEN.exec(token) ?? [];
      if (id === undefined || given === undefined) return null;
      const macs = await Promise.all(keys.map((key) => mac(key, id)));
      // All of them, whichever it is.
      return macs.map((expected) => isSame(given, expected)).includes(true) ? id : null;
    },
  };
}

async function deriveKey(privateKey: string, salt: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const bytes = decodeBase64Url(privateKey);
  if (bytes?.length !== 32) throw new TypeError('A VAPID private key has 32 bytes in base64url.');
  const material = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey']);
  const derivation = { name: 'HKDF', hash: 'SHA-256', salt, info: INFO };
  return crypto.subtle.deriveKey(derivation, material, HMAC, false, ['sign']);
}

async function mac(key: CryptoKey, id: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(id)));
  return encodeBase64Url(bytes.subarray(0, MAC_BYTES));
}

/** In time that does not depend on where they differ; both have 22 characters, and a mac is spelled in one way only. */
function isSame(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length;
  for (let index = 0; index < expected.length; index += 1)
    difference |= given.charCodeAt(index) ^ expected.charCodeAt(index);
  return difference === 0;
}

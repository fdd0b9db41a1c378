import { asBase64Url, decodeBase64Url, encodeBase64Url } from '../../../shared/base64url.ts';

// Every subscription is bound to the key pair it was made with. So a pair that another library wrote in its own form is
// read as well, and the operator need not make a new one.

/** SubjectPublicKeyInfo of P-256 (RFC 5480) up to the point, which is the rest of it. */
const SPKI = bytesOf('3059301306072a8648ce3d020106082a8648ce3d030107034200');
/** Within ECPrivateKey (RFC 5915), alone or in PKCS #8: version 1, and an octet string of 32 bytes. */
const PRIVATE_KEY = bytesOf('0201010420');
const P256 = bytesOf('06082a8648ce3d030107');

/**
 * A public VAPID key as 65 bytes in unpadded base64url: from any base64 of these, from PEM (`BEGIN PUBLIC KEY`) and from any
 * base64 of DER. What is none of them comes back without white space, for `importVapidKeys()` to refuse.
 */
export function publicKeyOf(text: string): string {
  const { base64Url, bytes } = read(text);
  if (bytes === null || bytes.length !== SPKI.length + 65 || indexOf(bytes, SPKI) !== 0) return base64Url;
  return encodeBase64Url(bytes.subarray(SPKI.length));
}

/**
 * A private VAPID key as 32 bytes in unpadded base64url: from any base64 of these, from PEM (`BEGIN PRIVATE KEY` or
 * `BEGIN EC PRIVATE KEY`, as py-vapid and openssl write them) and from any base64 of DER.
 */
export function privateKeyOf(text: string): string {
  const { base64Url, bytes } = read(text);
  if (bytes === null || bytes.length <= 33 || indexOf(bytes, P256) < 0) return base64Url;
  const start = indexOf(bytes, PRIVATE_KEY);
  const end = start + PRIVATE_KEY.length + 32;
  return start < 0 || end > bytes.length ? base64Url : encodeBase64Url(bytes.subarray(end - 32, end));
}

/** PEM may have its line breaks as \\n, as one line of an environment holds them; before the key there may be parameters. */
function read(text: string): { base64Url: string; bytes: Uint8Array | null } {
  const plain = text.replaceAll('\\n', '\n');
  const [, inside] = /-----BEGIN (?:EC )?(?:PRIVATE|PUBLIC) KEY-----([^-]+)-----END/.exec(plain) ?? [];
  const base64Url = asBase64Url(inside ?? plain);
  return { base64Url, bytes: decodeBase64Url(base64Url) };
}

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  for (let start = 0; start + part.length <= bytes.length; start += 1)
    if (part.every((byte, index) => bytes[start + index] === byte)) return start;
  return -1;
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

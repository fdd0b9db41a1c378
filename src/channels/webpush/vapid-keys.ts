import { SupapushError } from '../../errors.ts';
import { decodeBase64Url, encodeBase64Url } from '../base64url.ts';

/** A VAPID key pair (RFC 8292) and the contact a push service may use. */
export interface VapidKeys {
  /** Uncompressed P-256 point, 65 bytes, base64url without padding. */
  publicKey: string;
  /** 32 bytes, base64url without padding. */
  privateKey: string;
  /** `mailto:` or `https:` URL; push services refuse localhost. */
  subject: string;
}

/** A key pair that was checked and can sign. */
export interface VapidSigner {
  publicKey: string;
  subject: string;
  privateKey: CryptoKey;
}

/** Whether push services take this as a contact (RFC 8292 section 2.1): Apple refuses localhost, and what is neither of the two. */
export function isVapidSubject(subject: string): boolean {
  if (/\s/.test(subject)) return false;
  if (/^mailto:[^@]+@[^@]+\.[^@]+$/.test(subject)) return true;
  const url = URL.parse(subject);
  return subject.startsWith('https://') && url !== null && !/^(.+\.)?localhost$/.test(url.hostname);
}

/** Imports the project's key pairs, newest first; throws `vapid_keys_invalid` at the first that cannot be used. */
export async function importAllVapidKeys(
  pairs: [VapidKeys, ...VapidKeys[]],
): Promise<[VapidSigner, ...VapidSigner[]]> {
  const [newest, ...previous] = pairs;
  return [await importVapidKeys(newest), ...(await Promise.all(previous.map(importVapidKeys)))];
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };

/** Throws `vapid_keys_invalid` unless the two keys belong together; the message never shows the private one. */
export async function importVapidKeys({ publicKey, privateKey, subject }: VapidKeys): Promise<VapidSigner> {
  const point = decodeBase64Url(publicKey);
  if (point?.length !== 65 || point[0] !== 4) {
    throw new SupapushError(
      'vapid_keys_invalid',
      'VAPID_PUBLIC_KEY must be 65 bytes in base64url. Make a pair with: npm run secrets',
    );
  }
  if (decodeBase64Url(privateKey)?.length !== 32) {
    throw new SupapushError(
      'vapid_keys_invalid',
      'VAPID_PRIVATE_KEY must be 32 bytes in base64url. Make a pair with: npm run secrets',
    );
  }
  const publicJwk = {
    kty: 'EC',
    crv: 'P-256',
    x: encodeBase64Url(point.subarray(1, 33)),
    y: encodeBase64Url(point.subarray(33)),
  };
  try {
    const signer = await crypto.subtle.importKey('jwk', { ...publicJwk, d: privateKey }, ALGORITHM, false, [
      'sign',
    ]);
    const verifier = await crypto.subtle.importKey('jwk', publicJwk, ALGORITHM, false, ['verify']);
    const probe = new Uint8Array(32);
    const signature = await crypto.subtle.sign(SIGNATURE, signer, probe);
    if (await crypto.subtle.verify(SIGNATURE, verifier, signature, probe)) {
      return { publicKey, subject, privateKey: signer };
    }
  } catch {
    // Whatever the runtime says of the key, it may quote it: the error below does not carry it on.
  }
  throw new SupapushError(
    'vapid_keys_invalid',
    'VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY do not belong together. Copy both from the same pair.',
  );
}

/**
 * The `Authorization` header of RFC 8292 for one push service: an ES256 token (RFC 7515, 7518) and the key it is
 * verified with.
 *
 * @param audience the origin of the endpoint
 * @param expires seconds since the epoch, at most 24 hours ahead
 */
export async function signVapid(signer: VapidSigner, audience: string, expires: number): Promise<string> {
  const text = new TextEncoder();
  const encode = (value: object) => encodeBase64Url(text.encode(JSON.stringify(value)));
  const unsigned = `${encode({ typ: 'JWT', alg: 'ES256' })}.${encode({ aud: audience, exp: expires, sub: signer.subject })}`;
  const signature = await crypto.subtle.sign(SIGNATURE, signer.privateKey, text.encode(unsigned));
  return `vapid t=${unsigned}.${encodeBase64Url(new Uint8Array(signature))}, k=${signer.publicKey}`;
}

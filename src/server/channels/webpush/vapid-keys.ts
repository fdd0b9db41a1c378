import { decodeBase64Url, encodeBase64Url } from '../../../shared/base64url.ts';
import { SupapushError } from '../../../shared/errors.ts';
import { signToken } from '../signed-token.ts';

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

/** How an operator knows a pair: what its halves are called, and where another comes from. */
interface PairNames {
  publicKey: string;
  privateKey: string;
  remedy: string;
}

const NEWEST: PairNames = {
  publicKey: 'VAPID_PUBLIC_KEY',
  privateKey: 'VAPID_PRIVATE_KEY',
  remedy:
    'Restore it from where it was made, in any base64, PEM or DER. Only if no device uses it, make a pair with: npx supapush secrets',
};

/** The names of the older pair at this place in its list. */
const olderPair = (index: number): PairNames => ({
  publicKey: `VAPID_PREVIOUS_KEYS[${index}].publicKey`,
  privateKey: `VAPID_PREVIOUS_KEYS[${index}].privateKey`,
  remedy: 'Restore the pair, or remove it if no subscription needs it: npx supapush vapid',
});

/** Imports the project's key pairs, newest first; throws `vapid_keys_invalid` at the first that cannot be used. */
export async function importAllVapidKeys(
  pairs: [VapidKeys, ...VapidKeys[]],
): Promise<[VapidSigner, ...VapidSigner[]]> {
  const [newest, ...previous] = pairs;
  return [
    await importVapidKeys(newest),
    ...(await Promise.all(previous.map((pair, index) => importVapidKeys(pair, olderPair(index))))),
  ];
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };

/**
 * Throws `vapid_keys_invalid` unless the two keys belong together; the message never shows the private one.
 *
 * @param names what the error calls the keys: the newest pair unless given
 */
export async function importVapidKeys(
  { publicKey, privateKey, subject }: VapidKeys,
  names: PairNames = NEWEST,
): Promise<VapidSigner> {
  const point = decodeBase64Url(publicKey);
  if (point?.length !== 65 || point[0] !== 4) {
    throw invalid(`${names.publicKey} must be 65 bytes in base64url. ${names.remedy}`);
  }
  if (decodeBase64Url(privateKey)?.length !== 32) {
    throw invalid(`${names.privateKey} must be 32 bytes in base64url. ${names.remedy}`);
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
  throw invalid(
    `${names.publicKey} and ${names.privateKey} do not belong together. Copy both from the same pair.`,
  );
}

function invalid(message: string): SupapushError {
  return new SupapushError('vapid_keys_invalid', message);
}

/**
 * The `Authorization` header of RFC 8292 for one push service: an ES256 token (RFC 7515, 7518) and the key it is
 * verified with.
 *
 * @param audience the origin of the endpoint
 * @param expires seconds since the epoch, at most 24 hours ahead
 */
export async function signVapid(signer: VapidSigner, audience: string, expires: number): Promise<string> {
  const claims = { aud: audience, exp: expires, sub: signer.subject };
  return `vapid t=${await signToken('ES256', signer.privateKey, claims)}, k=${signer.publicKey}`;
}

import { createECDH } from 'node:crypto';
import { privateKeyOf, publicKeyOf } from '../server/channels/webpush/vapid-key-forms.ts';
import { SupapushError } from '../shared/errors.ts';
import { parseJson } from '../shared/parse-json.ts';
import { parseEnvironmentFile, readEnvironmentFile } from './environment-file.ts';

/** A VAPID key pair, both halves in unpadded base64url: a point of P-256 (65 bytes) and its scalar (32 bytes), as RFC 8292 wants them. */
export interface VapidPair {
  publicKey: string;
  privateKey: string;
}

/** Makes a new VAPID key pair. */
export function generateVapidPair(): VapidPair {
  const curve = createECDH('prime256v1');
  const publicKey = curve.generateKeys('base64url');
  // OpenSSL leaves out a scalar's leading zeros, which importers count.
  const privateKey = Buffer.concat([Buffer.alloc(32), curve.getPrivateKey()]).subarray(-32);
  return { publicKey, privateKey: privateKey.toString('base64url') };
}

/**
 * Reads a pair that exists: from a .env file, from the JSON that web-push prints, or, with `env`, from the environment. Never from an
 * argument, which other users of a machine can see. Throws `usage` unless both halves are there and belong together.
 */
export async function readVapidPair(source: string): Promise<VapidPair> {
  const text = source === 'env' ? '' : await readEnvironmentFile(source);
  const json = parseJson(text) as Partial<VapidPair> | null | undefined;
  const entries = source === 'env' ? process.env : parseEnvironmentFile(text);
  const publicKeys = new Set(namedLike(entries, 'VAPID_PUBLIC_KEY', json?.publicKey).map(publicKeyOf));
  const privateKeys = new Set(namedLike(entries, 'VAPID_PRIVATE_KEY', json?.privateKey).map(privateKeyOf));
  const [publicKey, ...otherPublic] = publicKeys;
  const [privateKey, ...otherPrivate] = privateKeys;
  const place = source === 'env' ? 'The environment' : source;
  if (publicKey === undefined || privateKey === undefined) {
    throw new SupapushError(
      'usage',
      `${place} has no VAPID pair: it needs VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY, or names that end so, or the JSON of web-push.`,
    );
  }
  if (otherPublic.length + otherPrivate.length > 0)
    throw new SupapushError(
      'usage',
      `${place} has several VAPID keys: leave those of the pair that your devices were made with.`,
    );
  if (publicOf(privateKey) !== publicKey)
    throw new SupapushError(
      'usage',
      `The VAPID keys of ${place} do not belong together: devices could not be reached with them.`,
    );
  return { publicKey, privateKey };
}

/** The public halves of the pairs that a file of secrets has, the newest first. */
export function publicKeysIn(entries: Readonly<Record<string, string | undefined>>): string[] {
  const { VAPID_PUBLIC_KEY: newest, VAPID_PREVIOUS_KEYS: older } = entries;
  const pairs = older === undefined ? [] : parseJson(older);
  const previous = Array.isArray(pairs)
    ? pairs.map((pair: { publicKey?: unknown } | null) => pair?.publicKey)
    : [];
  return [newest, ...previous].filter((key) => typeof key === 'string').map(publicKeyOf);
}

/** An app may have the public half twice, once as NEXT_PUBLIC_VAPID_PUBLIC_KEY. */
function namedLike(entries: Record<string, string | undefined>, name: string, also: unknown): string[] {
  const values = Object.entries(entries)
    .filter(([key]) => key === name || key.endsWith(`_${name}`))
    .map(([, value]) => value);
  return [...values, also].filter((value): value is string => typeof value === 'string' && value !== '');
}

/** The public half that belongs to a private one; undefined where that is none. */
export function publicOf(privateKey: string): string | undefined {
  try {
    const curve = createECDH('prime256v1');
    curve.setPrivateKey(privateKey, 'base64url');
    return curve.getPublicKey('base64url');
  } catch {
    return undefined;
  }
}

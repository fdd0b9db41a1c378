import { createECDH } from 'node:crypto';

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

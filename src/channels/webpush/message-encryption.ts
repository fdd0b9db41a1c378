/** The receiver's half: what a subscription holds, decoded. */
export interface ReceiverKeys {
  /** Uncompressed P-256 point, 65 bytes. */
  p256dh: Uint8Array<ArrayBuffer>;
  /** 16 bytes. */
  auth: Uint8Array<ArrayBuffer>;
}

const CURVE = { name: 'ECDH', namedCurve: 'P-256' };
const POINT_LENGTH = 65;
const RECORD_SIZE = 4096;
const LAST_RECORD = 2;

const text = new TextEncoder();
const KEY_INFO = text.encode('WebPush: info\0');
const CONTENT_KEY_INFO = text.encode('Content-Encoding: aes128gcm\0');
const NONCE_INFO = text.encode('Content-Encoding: nonce\0');

/**
 * Encrypts one message for one device: RFC 8291 over a single record of RFC 8188 (`aes128gcm`).
 *
 * Key pair and salt are fresh for every message. `fixed` replaces them, for the worked example of RFC 8291.
 *
 * @param plaintext at most 3993 bytes
 * @returns the request body: 86 bytes of header, then the ciphertext, 17 bytes longer than the plaintext
 * @throws when `p256dh` is no point of the curve
 */
export async function encryptMessage(
  plaintext: Uint8Array<ArrayBuffer>,
  receiver: ReceiverKeys,
  fixed?: { salt: Uint8Array<ArrayBuffer>; keyPair: CryptoKeyPair },
): Promise<Uint8Array<ArrayBuffer>> {
  const { subtle } = crypto;
  const [receiverKey, sender] = await Promise.all([
    subtle.importKey('raw', receiver.p256dh, CURVE, false, []),
    fixed?.keyPair ?? (subtle.generateKey(CURVE, true, ['deriveBits']) as Promise<CryptoKeyPair>),
  ]);
  const [senderPoint, shared] = await Promise.all([
    publicPoint(sender),
    subtle.deriveBits({ name: 'ECDH', public: receiverKey }, sender.privateKey, 256),
  ]);
  const salt = fixed?.salt ?? crypto.getRandomValues(new Uint8Array(16));

  const secret = await deriveBits(
    shared,
    receiver.auth,
    concatenate(KEY_INFO, receiver.p256dh, senderPoint),
    256,
  );
  const material = await subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  const [contentKey, nonce] = await Promise.all([
    subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info: CONTENT_KEY_INFO }, material, 128),
    subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info: NONCE_INFO }, material, 96),
  ]);
  const key = await subtle.importKey('raw', contentKey, 'AES-GCM', false, ['encrypt']);
  const record = concatenate(plaintext, Uint8Array.of(LAST_RECORD));
  const ciphertext = await subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, record);

  const header = new Uint8Array(5);
  new DataView(header.buffer).setUint32(0, RECORD_SIZE);
  header[4] = POINT_LENGTH;
  return concatenate(salt, header, senderPoint, new Uint8Array(ciphertext));
}

async function deriveBits(
  material: ArrayBuffer,
  salt: Uint8Array<ArrayBuffer>,
  info: Uint8Array<ArrayBuffer>,
  length: number,
): Promise<ArrayBuffer> {
  const key = await crypto.subtle.importKey('raw', material, 'HKDF', false, ['deriveBits']);
  return crypto.subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info }, key, length);
}

/**
 * The public key of a pair. PKCS #8 (RFC 5915) carries it in its last 65 bytes; asking for the raw public key makes
 * Deno compute it anew, which costs as much as the rest of the encryption.
 */
async function publicPoint({ privateKey, publicKey }: CryptoKeyPair): Promise<Uint8Array<ArrayBuffer>> {
  const point = new Uint8Array(await crypto.subtle.exportKey('pkcs8', privateKey)).slice(-POINT_LENGTH);
  if (point[0] === 4) return point;
  return new Uint8Array(await crypto.subtle.exportKey('raw', publicKey));
}

function concatenate(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** The receiver's half: what a subscription holds, decoded. */
export interface ReceiverKeys {
  /** Uncompressed P-256 point, 65 bytes. */
  p256dh: Uint8Array<ArrayBuffer>;
  /** 16 bytes. */
  auth: Uint8Array<ArrayBuffer>;
}

const CURVE = { name: 'ECDH', namedCurve: 'P-256' };
const POINT_LENGTH = 65;
const SCALAR_LENGTH = 32;
const RECORD_SIZE = 4096;
const LAST_RECORD = 2;
/** A P-256 key in PKCS #8 up to its private half, as every runtime exports it and with the public half behind it … */
const PAIR_PREFIX = hex('308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420');
/** … and the same without the public half, which RFC 5915 allows. */
const LONE_PREFIX = hex('3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420');
const PAIR_LENGTH = 138;

const text = new TextEncoder();
const KEY_INFO = text.encode('WebPush: info\0');
const CONTENT_KEY_INFO = text.encode('Content-Encoding: aes128gcm\0');
const NONCE_INFO = text.encode('Content-Encoding: nonce\0');

/** What may be said about one message besides what it says. */
export interface EncryptionOptions {
  /** Zeros after the plaintext, so that its length says less (RFC 8188 section 2); with it at most 3993 bytes. */
  padding?: number;
  /** In place of a fresh salt and key pair: for the worked example of RFC 8291. */
  fixed?: { salt: Uint8Array<ArrayBuffer>; keyPair: CryptoKeyPair };
}

/**
 * Encrypts one message for one device: RFC 8291 over a single record of RFC 8188 (`aes128gcm`).
 *
 * Key pair and salt are fresh for every message.
 *
 * @param plaintext at most 3993 bytes
 * @returns the request body: 86 bytes of header, then the ciphertext, 17 bytes longer than plaintext and padding
 * @throws when `p256dh` is no point of the curve
 */
export async function encryptMessage(
  plaintext: Uint8Array<ArrayBuffer>,
  receiver: ReceiverKeys,
  { padding = 0, fixed }: EncryptionOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { subtle } = crypto;
  const [receiverKey, sender] = await Promise.all([
    subtle.importKey('raw', receiver.p256dh, CURVE, false, []),
    fixed?.keyPair ?? (subtle.generateKey(CURVE, true, ['deriveBits']) as Promise<CryptoKeyPair>),
  ]);
  const { senderKey, senderPoint } = await prepareSender(sender);
  const shared = await subtle.deriveBits({ name: 'ECDH', public: receiverKey }, senderKey, 256);
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
  const record = new Uint8Array(plaintext.length + 1 + padding);
  record.set(plaintext);
  record[plaintext.length] = LAST_RECORD;
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
 * The two halves of a pair as they are needed. PKCS #8 carries the public one in its last 65 bytes; asking for the raw
 * public key makes Deno compute it anew, which costs as much as a key agreement.
 */
async function prepareSender({ privateKey, publicKey }: CryptoKeyPair) {
  const pair = new Uint8Array(await crypto.subtle.exportKey('pkcs8', privateKey));
  const senderPoint = pair.subarray(-POINT_LENGTH);
  const isUsual = pair.length === PAIR_LENGTH && PAIR_PREFIX.every((byte, index) => byte === pair[index]);
  if (!isUsual || senderPoint[0] !== 4) {
    const point = await crypto.subtle.exportKey('raw', publicKey);
    return { senderKey: privateKey, senderPoint: new Uint8Array(point) };
  }
  const senderKey = 'Deno' in globalThis ? await withoutPublicHalf(privateKey, pair) : privateKey;
  return { senderKey, senderPoint };
}

/**
 * The same private key, half as expensive to use in Deno: there each use computes the public half anew, only to compare
 * it with the one that the key carries: more than a quarter of an encryption. (Node makes such a key complete when it is
 * imported, and gains nothing.) A runtime that does not take it goes on with the key it made.
 */
function withoutPublicHalf(privateKey: CryptoKey, pair: Uint8Array): Promise<CryptoKey> {
  const scalar = pair.subarray(PAIR_PREFIX.length, PAIR_PREFIX.length + SCALAR_LENGTH);
  const lone = concatenate(LONE_PREFIX, scalar);
  return crypto.subtle.importKey('pkcs8', lone, CURVE, false, ['deriveBits']).catch(() => privateKey);
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

function hex(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

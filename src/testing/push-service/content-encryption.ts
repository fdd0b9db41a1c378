import { createDecipheriv, createECDH, createHmac, type ECDH, randomBytes } from 'node:crypto';
import { PushServiceError } from './push-service-error.ts';

/** The keys of a subscription, private half included. */
export type ReceiverKeys = {
  readonly ecdh: ECDH;
  /** Uncompressed P-256 point, 65 bytes: `p256dh`. */
  readonly publicKey: Buffer;
  /** 16 bytes: `auth`. */
  readonly authSecret: Buffer;
};

/** The header of an aes128gcm body (RFC 8188 section 2.1) and what follows it. */
export type EncryptedRecord = {
  readonly salt: Buffer;
  readonly recordSize: number;
  readonly senderKey: Buffer;
  readonly ciphertext: Buffer;
};

const SALT_LENGTH = 16;
const HEADER_LENGTH = SALT_LENGTH + 4 + 1;
const KEY_LENGTH = 65;
const TAG_LENGTH = 16;
/** The smallest record size RFC 8188 allows: a tag, a delimiter and one byte. */
const MIN_RECORD_SIZE = 18;

/** Makes the keys of a new subscription. */
export function createReceiverKeys(): ReceiverKeys {
  const ecdh = createECDH('prime256v1');
  const publicKey = ecdh.generateKeys();
  return { ecdh, publicKey, authSecret: randomBytes(16) };
}

/** The keys of a subscription whose private key (32 bytes) and auth secret (16 bytes) are known. */
export function receiverKeysFrom(privateKey: Buffer, authSecret: Buffer): ReceiverKeys {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(privateKey);
  return { ecdh, publicKey: ecdh.getPublicKey(), authSecret };
}

/**
 * Splits a push message's body into header and ciphertext, or returns undefined if it cannot be one: RFC 8291
 * section 4 wants a single record, and the sender's uncompressed P-256 key as key id.
 */
export function readEncryptedRecord(body: Buffer): EncryptedRecord | undefined {
  if (body.length < HEADER_LENGTH + KEY_LENGTH + TAG_LENGTH + 1) return undefined;
  const recordSize = body.readUInt32BE(SALT_LENGTH);
  if (recordSize < MIN_RECORD_SIZE || body[HEADER_LENGTH - 1] !== KEY_LENGTH) return undefined;
  if (body[HEADER_LENGTH] !== 0x04) return undefined;
  const ciphertext = body.subarray(HEADER_LENGTH + KEY_LENGTH);
  if (ciphertext.length > recordSize) return undefined;
  return {
    salt: body.subarray(0, SALT_LENGTH),
    recordSize,
    senderKey: body.subarray(HEADER_LENGTH, HEADER_LENGTH + KEY_LENGTH),
    ciphertext,
  };
}

/**
 * Decrypts the body of a push message as a browser does (RFC 8291, encoding of RFC 8188) and returns the
 * plaintext; throws `undecryptable` if it was altered, made for other keys, or is not such a body.
 */
export function decryptContent(body: Buffer, keys: ReceiverKeys): Buffer {
  const record = readEncryptedRecord(body);
  if (!record) throw new PushServiceError('undecryptable', 'The body is not a single aes128gcm record.');
  const { salt, senderKey, ciphertext } = record;
  let plaintext: Buffer;
  try {
    const secret = hkdf(
      keys.authSecret,
      keys.ecdh.computeSecret(senderKey),
      Buffer.concat([Buffer.from('WebPush: info\0'), keys.publicKey, senderKey]),
      32,
    );
    const key = hkdf(salt, secret, Buffer.from('Content-Encoding: aes128gcm\0'), 16);
    const nonce = hkdf(salt, secret, Buffer.from('Content-Encoding: nonce\0'), 12);
    const decipher = createDecipheriv('aes-128-gcm', key, nonce, { authTagLength: TAG_LENGTH });
    decipher.setAuthTag(ciphertext.subarray(-TAG_LENGTH));
    plaintext = Buffer.concat([decipher.update(ciphertext.subarray(0, -TAG_LENGTH)), decipher.final()]);
  } catch (cause) {
    throw new PushServiceError(
      'undecryptable',
      'The body was not encrypted for these keys, or was altered.',
      {
        cause,
      },
    );
  }
  let end = plaintext.length - 1;
  while (end >= 0 && plaintext[end] === 0) end--;
  // 0x02 ends the last record; 0x01 would announce another, which a push message never has.
  if (plaintext[end] !== 2) {
    throw new PushServiceError(
      'undecryptable',
      'The record does not end with the delimiter of a last record.',
    );
  }
  return plaintext.subarray(0, end);
}

/** HKDF-SHA-256 (RFC 5869) for outputs of at most 32 bytes: one round, three times faster than `hkdfSync`. */
function hkdf(salt: Buffer, inputKey: Buffer, info: Buffer, length: number): Buffer {
  const pseudoRandomKey = createHmac('sha256', salt).update(inputKey).digest();
  return createHmac('sha256', pseudoRandomKey).update(info).update('\x01').digest().subarray(0, length);
}

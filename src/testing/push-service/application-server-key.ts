import { ECDH } from 'node:crypto';
import { PushServiceError } from './push-service-error.ts';

/**
 * Reads an application server key: 65 bytes, 0x04 first, a point of P-256, in base64url with or without
 * padding (Firefox registers it padded, browsers' pages pass it bare). Returns it without padding, so that
 * equal keys are equal strings; throws `invalid_application_server_key` otherwise.
 */
export function parseApplicationServerKey(text: string): string {
  const bare = /^([A-Za-z0-9_-]{87})=?$/.exec(text)?.[1];
  if (bare === undefined) throw invalid('is not 65 bytes in base64url');
  const point = Buffer.from(bare, 'base64url');
  if (point[0] !== 0x04) throw invalid('is not an uncompressed point');
  try {
    ECDH.convertKey(point, 'prime256v1');
  } catch (cause) {
    throw invalid('is not on the curve P-256', { cause });
  }
  // Two spellings of 65 bytes differ in the two unused bits of the last character.
  return point.toString('base64url');
}

function invalid(what: string, options?: ErrorOptions): PushServiceError {
  return new PushServiceError(
    'invalid_application_server_key',
    `The application server key ${what}.`,
    options,
  );
}

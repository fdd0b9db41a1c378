import { MAX_PAYLOAD_BYTES, SAFE_PAYLOAD_BYTES } from '../../notification/payload.ts';

/**
 * How many zeros to add to a message of `length` bytes so that what an eavesdropper sees of its length is only between
 * which multiples of `step` it lies. None for a step of 0.
 *
 * Padding makes no message larger than what reaches every device (3052 bytes) unless it already is, and never larger
 * than what can be encrypted (3993).
 */
export function paddingFor(length: number, step: number): number {
  if (step === 0) return 0;
  const limit = length <= SAFE_PAYLOAD_BYTES ? SAFE_PAYLOAD_BYTES : MAX_PAYLOAD_BYTES;
  return Math.min(Math.max(Math.ceil(length / step), 1) * step, limit) - length;
}

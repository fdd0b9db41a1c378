import { z } from 'zod';
import { type DeviceReceipt, MAX_ACTION_LENGTH, RECEIPT_EVENTS } from '../../shared/device-message.ts';
import type { ReceiptTokens } from '../channels/receipt-tokens.ts';
import { storableText } from '../channels/storable-text.ts';
import type { Receipt } from '../database/device-events.ts';

/** What a device says of one delivery. */
export const receipt = z.object({
  receipt: z.string(),
  event: z.enum(RECEIPT_EVENTS),
  action: z.string().max(MAX_ACTION_LENGTH).nullish(),
  at: z.string().max(64).nullish(),
}) satisfies z.ZodType<DeviceReceipt>;

export type ReadableReceipt = z.input<typeof receipt>;

// Each token that looks like one costs a derivation for each key pair (50 µs), a hundred of them more than all the rest of a
// request; a device has none that are not ours, unless the project gave up the keys they were made with.
const MAX_FORGED = 8;

/**
 * Those of the receipts that are ones and carry a token of ours, the newest first. After eight that do not, the rest is not
 * looked at: a device says the oldest first, so they are older than those.
 */
export async function provenReceipts(values: unknown[], tokens: ReceiptTokens): Promise<Receipt[]> {
  const proven: Receipt[] = [];
  let forged = 0;
  for (const value of values.toReversed()) {
    const read = receipt.safeParse(value);
    if (!read.success) continue;
    const deliveryId = await tokens.verify(read.data.receipt);
    if (deliveryId === null) {
      forged += 1;
      if (forged === MAX_FORGED) break;
      continue;
    }
    const { event, action, at } = read.data;
    const name = typeof action === 'string' && event === 'action' ? storableText(action) : null;
    proven.push({ deliveryId, event, action: name, at: moment(at) });
  }
  return proven;
}

/** A device's clock may say anything; what it cannot be is put right by the database, which knows when the delivery was made. */
function moment(text: string | null | undefined): string | null {
  const milliseconds = Date.parse(text ?? '');
  if (Number.isNaN(milliseconds)) return null;
  // From 1970 to 9999: what both JavaScript and Postgres read.
  return new Date(Math.min(Math.max(milliseconds, 0), 253_402_300_799_000)).toISOString();
}

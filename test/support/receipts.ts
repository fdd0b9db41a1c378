import type postgres from 'postgres';
import { MAX_RECEIPT_BYTES } from '../../src/server/notification/payload.ts';
import { asService } from './postgres.ts';

/** A token as long as tokens get: that of the last id there is. */
export const LONGEST_RECEIPT = `9223372036854775807.${'x'.repeat(22)}`;
if (LONGEST_RECEIPT.length !== MAX_RECEIPT_BYTES) throw new Error('It is not the longest.');

/** For channels whose messages are not reported on. */
export const NO_RECEIPTS = { sign: async (deliveryId: number) => `${deliveryId}.${'x'.repeat(22)}` };

export interface GivenReceipt {
  delivery_id: string | number;
  event: string;
  action?: string;
  at?: Date | null;
}

/** Records receipts as push-events does; returns what became of them. */
export async function record(
  sql: postgres.Sql,
  receipts: GivenReceipt[],
  now: Date = new Date(),
): Promise<{ accepted: number; repeated: number; refused: number }> {
  const rows = await asService(
    sql,
    (t) =>
      t<
        { counts: never }[]
      >`select public.push_record_receipts(${t.json(receipts as never)}, ${now}) as counts`,
  );
  return (rows[0] as { counts: never }).counts;
}

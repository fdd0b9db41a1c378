import { type Channels, type ClaimedDelivery, sendOn } from '../channels/channel.ts';
import type { DeliveryReport } from '../database/delivery-queue.ts';

/** Sends these deliveries, at most `concurrency` at a time to one host, and hands each outcome over as it is known. */
export async function sendDeliveries(
  deliveries: ClaimedDelivery[],
  options: {
    channels: Channels;
    concurrency: number;
    onReport: (report: DeliveryReport) => void;
  },
): Promise<void> {
  const byHost = Map.groupBy(deliveries, (delivery) => delivery.host);
  // A lane of its own for every host: one that is slow uses up its own places only.
  await Promise.all(
    [...byHost.values()].map(async (lane) => {
      const waiting = lane.values();
      const worker = async () => {
        for (const delivery of waiting) {
          const outcome = await sendOn(options.channels, delivery);
          options.onReport({ deliveryId: delivery.deliveryId, attempt: delivery.attempt, outcome });
        }
      };
      await Promise.all(Array.from({ length: Math.min(options.concurrency, lane.length) }, worker));
    }),
  );
}

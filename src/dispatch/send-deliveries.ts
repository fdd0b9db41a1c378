import type { Channel, ClaimedDelivery, Outcome } from '../channels/channel.ts';
import type { DeliveryReport } from '../database/delivery-queue.ts';

/** Sends these deliveries, at most `concurrency` at a time to one host, and hands each outcome over as it is known. */
export async function sendDeliveries(
  deliveries: ClaimedDelivery[],
  options: {
    channels: Record<string, Channel>;
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
          const outcome = await send(options.channels[delivery.channel], delivery);
          options.onReport({ deliveryId: delivery.deliveryId, attempt: delivery.attempt, outcome });
        }
      };
      await Promise.all(Array.from({ length: Math.min(options.concurrency, lane.length) }, worker));
    }),
  );
}

async function send(channel: Channel | undefined, delivery: ClaimedDelivery): Promise<Outcome> {
  if (channel === undefined) {
    const message = `No channel ${delivery.channel} is configured.`;
    return { outcome: 'failed', status: null, code: 'channel_unknown', message };
  }
  try {
    return await channel.send(delivery);
  } catch (error) {
    // A channel must not throw. One that does fails this delivery, not the reports of all others under way.
    const message = `The channel threw ${error instanceof Error ? error.name : typeof error}.`;
    return { outcome: 'retry', status: null, code: 'channel_failed', message, retryAfterSeconds: null };
  }
}

import { expect, test } from 'vitest';
import type { ClaimedDelivery, Outcome } from '../../../src/server/channels/channel.ts';
import { createLanes } from '../../../src/server/dispatch/lanes.ts';
import { channelsOf, deliveries, range } from './in-memory-queue.ts';

test('five users who come one after another and whose devices never answer leave two fifths of the places', () => {
  const underWay = new Map<string, number>();
  const lanes = createLanes({
    channels: channelsOf({
      send: ({ userId }: ClaimedDelivery) => {
        underWay.set(userId, (underWay.get(userId) ?? 0) + 1);
        return new Promise<Outcome>(() => {});
      },
    }),
    places: { first: 50, most: 50 },
    onReport: () => {},
  });
  let deliveryId = 0;
  const of = (userId: string, number: number) =>
    deliveries(range(number)).map((delivery) => ({ ...delivery, deliveryId: ++deliveryId, userId }));
  // As many as a dispatcher holds of one user.
  for (const user of range(5)) lanes.add(of(`hanging ${user}`, 25));
  for (const user of range(40)) lanes.add(of(`other ${user}`, 1));
  const others = [...underWay.keys()].filter((user) => user.startsWith('other')).length;
  expect(others).toBeGreaterThanOrEqual(20);
});

import { describe, expect, test } from 'vitest';
import type { ClaimedDelivery, Outcome } from '../../../src/channels/channel.ts';
import { sendDeliveries } from '../../../src/dispatch/send-deliveries.ts';
import { deliveries, range, SENT } from './in-memory-queue.ts';

/** A channel whose pushes stay under way until they are let go. */
function gate() {
  const underWay = new Map<number, (outcome: Outcome) => void>();
  let most = 0;
  return {
    underWay,
    most: () => most,
    send: ({ deliveryId }: ClaimedDelivery) =>
      new Promise<Outcome>((resolve) => {
        underWay.set(deliveryId, resolve);
        most = Math.max(most, underWay.size);
      }),
    letGo(deliveryId: number) {
      underWay.get(deliveryId)?.(SENT);
      underWay.delete(deliveryId);
    },
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('deliveries to one push service', () => {
  test('are under way as many at a time as allowed, and each is sent once', async () => {
    const channel = gate();
    const reported: number[] = [];
    const sending = sendDeliveries(deliveries(range(10)), {
      channels: { webpush: channel },
      concurrency: 3,
      onReport: ({ deliveryId }) => reported.push(deliveryId),
    });
    const order: number[] = [];
    while (reported.length < 10) {
      await settled();
      const [next] = channel.underWay.keys();
      if (next === undefined) break;
      order.push(next);
      channel.letGo(next);
      await settled();
    }
    await sending;
    expect(channel.most()).toBe(3);
    expect(order).toEqual(range(10));
    expect(reported).toEqual(range(10));
  });

  test('are reported as each is known, not when all are', async () => {
    const channel = gate();
    const reported: number[] = [];
    const sending = sendDeliveries(deliveries(range(3)), {
      channels: { webpush: channel },
      concurrency: 3,
      onReport: ({ deliveryId }) => reported.push(deliveryId),
    });
    channel.letGo(2);
    await settled();
    expect(reported).toEqual([2]);
    channel.letGo(1);
    channel.letGo(3);
    await sending;
  });
});

test('a push service that hangs uses up its own places only', async () => {
  const channel = gate();
  const reported: number[] = [];
  const hanging = deliveries(range(5), { host: 'https://slow.example.com' });
  const others = deliveries(range(5, 101), { host: 'https://fast.example.com' });
  const sending = sendDeliveries([...hanging, ...others], {
    channels: { webpush: channel },
    concurrency: 2,
    onReport: ({ deliveryId }) => reported.push(deliveryId),
  });
  for (const deliveryId of range(5, 101)) {
    await settled();
    channel.letGo(deliveryId);
  }
  await settled();
  expect(reported).toEqual(range(5, 101));
  expect([...channel.underWay.keys()]).toEqual([1, 2]);
  for (const deliveryId of range(5)) {
    channel.letGo(deliveryId);
    await settled();
  }
  await sending;
  expect(reported).toHaveLength(10);
});

test('nothing to send is no work', async () => {
  await sendDeliveries([], { channels: {}, concurrency: 5, onReport: () => expect.fail('nothing was sent') });
});

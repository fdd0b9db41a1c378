import { describe, expect, test } from 'vitest';
import type { ClaimedDelivery, Outcome } from '../../../src/server/channels/channel.ts';
import { createLanes } from '../../../src/server/dispatch/lanes.ts';
import { channelsOf, deliveries, range, SENT } from './in-memory-queue.ts';

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
    const lanes = createLanes({
      channels: channelsOf(channel),
      places: { first: 3, most: 3 },
      onReport: ({ deliveryId }) => reported.push(deliveryId),
    });
    lanes.add(deliveries(range(10)));
    const order: number[] = [];
    while (reported.length < 10) {
      await settled();
      const [next] = channel.underWay.keys();
      if (next === undefined) break;
      order.push(next);
      channel.letGo(next);
      await settled();
    }
    await lanes.drained();
    expect(channel.most()).toBe(3);
    expect(order).toEqual(range(10));
    expect(reported).toEqual(range(10));
  });

  test('are reported as each is known, not when all are', async () => {
    const channel = gate();
    const reported: number[] = [];
    const lanes = createLanes({
      channels: channelsOf(channel),
      places: { first: 3, most: 3 },
      onReport: ({ deliveryId }) => reported.push(deliveryId),
    });
    lanes.add(deliveries(range(3)));
    channel.letGo(2);
    await settled();
    expect(reported).toEqual([2]);
    channel.letGo(1);
    channel.letGo(3);
    await lanes.drained();
  });
});

test('a push service that hangs uses up its own places only', async () => {
  const channel = gate();
  const reported: number[] = [];
  const hanging = deliveries(range(5), { host: 'https://slow.example.com' });
  const others = deliveries(range(5, 101), { host: 'https://fast.example.com' });
  const lanes = createLanes({
    channels: channelsOf(channel),
    places: { first: 2, most: 2 },
    onReport: ({ deliveryId }) => reported.push(deliveryId),
  });
  lanes.add([...hanging, ...others]);
  expect(lanes.busy().hosts).toEqual(['https://slow.example.com', 'https://fast.example.com']);
  for (const deliveryId of range(5, 101)) {
    await settled();
    channel.letGo(deliveryId);
  }
  await settled();
  expect(reported).toEqual(range(5, 101));
  expect([...channel.underWay.keys()]).toEqual([1, 2]);
  expect(lanes.busy().hosts).toEqual(['https://slow.example.com']);
  lanes.add(deliveries([200], { host: 'https://fast.example.com' }));
  await settled();
  channel.letGo(200);
  await settled();
  expect(reported).toContain(200);
  for (const deliveryId of range(5)) {
    channel.letGo(deliveryId);
    await settled();
  }
  await lanes.drained();
  expect(reported).toHaveLength(11);
  expect(lanes.pending).toBe(0);
});

test('a caller that waits for room is told as soon as a busy push service has some', async () => {
  const channel = gate();
  const lanes = createLanes({
    channels: channelsOf(channel),
    places: { first: 2, most: 2 },
    onReport: () => {},
  });
  lanes.add(deliveries(range(4)));
  expect(lanes.busy().hosts).toHaveLength(1);
  let relieved = false;
  const busy = lanes.busy().hosts;
  const waiting = lanes.relieved(busy).then(() => {
    relieved = true;
  });
  await settled();
  expect(relieved).toBe(false);
  channel.letGo(1);
  await waiting;
  expect(lanes.busy().hosts).toEqual([]);
  // Also a caller that asks after it has happened.
  await lanes.relieved(busy);
  for (const deliveryId of [2, 3, 4]) {
    channel.letGo(deliveryId);
    await settled();
  }
  await lanes.drained();
});

test('nothing to send is no work', async () => {
  const lanes = createLanes({
    channels: channelsOf(),
    places: { first: 5, most: 5 },
    onReport: () => expect.fail('nothing was sent'),
  });
  lanes.add([]);
  await lanes.drained();
  await lanes.progress();
  expect(lanes.pending).toBe(0);
});

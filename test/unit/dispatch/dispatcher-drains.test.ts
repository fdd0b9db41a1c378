import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/server/channels/channel.ts';
import { type DispatcherOptions, dispatch } from '../../../src/server/dispatch/dispatcher.ts';
import { channelOf, channelsOf, deliveries, InMemoryQueue, range, SENT } from './in-memory-queue.ts';

const run = (queue: InMemoryQueue, options: Partial<DispatcherOptions> = {}) =>
  dispatch('00000000-0000-4000-8000-00000000000d', {
    queue,
    channels: channelsOf(),
    lingerMs: 0,
    ...options,
  });

describe('while it drains', () => {
  test('it has handed over already, and keeps the leases of what is under way', async () => {
    const queue = new InMemoryQueue(deliveries(range(3)));
    const slow = Promise.withResolvers<Outcome>();
    const ending = new AbortController();
    const channel = channelOf(({ deliveryId }) => {
      ending.abort();
      return deliveryId === 2 ? slow.promise : SENT;
    });
    queue.onHeartbeat = () => {
      // The others are reported; the device that hangs keeps it here.
      if (queue.leaves.length > 0 && queue.heartbeats.at(-1)?.join() === '2') slow.resolve(SENT);
    };
    const options = { channels: channelsOf(channel), heartbeatMs: 1, signal: ending.signal };
    expect(await run(queue, options)).toMatchObject({ outcomes: { sent: 3 }, handedOver: true });
    expect(queue.leaves).toEqual([true]);
  });

  test('after a failure it has handed over, too, and does so again if that failed', async () => {
    for (const refused of [0, 1]) {
      const queue = new InMemoryQueue(deliveries([1]));
      const slow = Promise.withResolvers<Outcome>();
      queue.beforeClaim = () => {
        if (queue.claims.length > 0) throw new Error('the database is away');
      };
      queue.onLeave = () => {
        slow.resolve(SENT);
        if (queue.leaves.length <= refused) throw new Error('the database is still away');
        return true;
      };
      await expect(run(queue, { channels: channelsOf(channelOf(() => slow.promise)) })).rejects.toThrow(
        'the database is away',
      );
      expect(queue.leaves).toEqual(Array.from({ length: 1 + refused }, () => true));
      expect(queue.reported()).toEqual([1]);
    }
  });
});

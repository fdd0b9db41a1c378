import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Outcome } from '../../../src/server/channels/channel.ts';
import { PROCESS_CEILINGS } from '../../../src/server/dispatch/ceilings.ts';
import { type DispatcherOptions, dispatch } from '../../../src/server/dispatch/dispatcher.ts';
import { channelOf, channelsOf, deliveries, InMemoryQueue, range, SENT } from './in-memory-queue.ts';

const run = (queue: InMemoryQueue, options: Partial<DispatcherOptions> = {}) =>
  dispatch('00000000-0000-4000-8000-00000000000d', {
    queue,
    channels: channelsOf(),
    lingerMs: 0,
    ...options,
  });

const CLAIM_100 = { ...PROCESS_CEILINGS, claim: 100 };

describe('a dispatcher', () => {
  test('drains the queue in several claims, reports everything once, and leaves', async () => {
    const queue = new InMemoryQueue(deliveries(range(450)));
    const summary = await run(queue);
    expect(queue.claims.filter((count) => count > 0)).toEqual([200, 200, 50]);
    expect(queue.reported()).toEqual(range(450));
    expect(queue.leaves).toEqual([false]);
    expect(summary).toEqual({ claimed: 450, outcomes: { sent: 450 }, handedOver: false });
  });

  test('that finds nothing leaves without a report', async () => {
    const queue = new InMemoryQueue();
    expect(await run(queue)).toEqual({ claimed: 0, outcomes: {}, handedOver: false });
    expect(queue.batches).toEqual([]);
  });

  test('carries claim number and outcome of each delivery into its report', async () => {
    const outcomes: Record<number, Outcome> = {
      1: SENT,
      2: { outcome: 'gone', status: 410, code: 'subscription_gone', message: '410' },
      3: { outcome: 'retry', status: 429, code: 'throttled', message: '429', retryAfterSeconds: 7 },
    };
    const queue = new InMemoryQueue(deliveries([1, 2, 3], { claimNumber: 4 }));
    const summary = await run(queue, {
      channels: channelsOf(channelOf(({ deliveryId }) => outcomes[deliveryId] ?? SENT)),
    });
    expect(queue.reports.sort((a, b) => a.deliveryId - b.deliveryId)).toEqual(
      [1, 2, 3].map((deliveryId) => ({ deliveryId, claimNumber: 4, outcome: outcomes[deliveryId] })),
    );
    expect(summary.outcomes).toEqual({ sent: 1, gone: 1, retry: 1 });
  });

  test('goes on while it may not leave, and sends what comes meanwhile', async () => {
    const queue = new InMemoryQueue();
    let refusals = 0;
    queue.onLeave = () => {
      refusals++;
      if (refusals === 2) queue.waiting.push(...deliveries([7]));
      return refusals > 3;
    };
    await run(queue);
    expect(queue.leaves.length).toBe(4);
    expect(queue.reported()).toEqual([7]);
  });

  test('stays a while after its last work, so that a burst finds it there', async () => {
    const queue = new InMemoryQueue(deliveries([1]));
    let time = 0;
    let looks = 0;
    queue.beforeClaim = () => {
      looks++;
      time += 400;
    };
    await run(queue, { lingerMs: 1000, now: () => time });
    // Work ends at 400; looks at 800, 1200 and 1600 find nothing, and only the third is a second later.
    expect(looks).toBe(4);
    expect(queue.leaves).toEqual([false]);
  });
});

test('a push service that gets room during a claim that did not ask for it is asked for at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const queue = new InMemoryQueue(deliveries(range(6)));
  const ends = new Map<number, () => void>();
  const channel = channelOf(
    ({ deliveryId }) => new Promise<Outcome>((resolve) => ends.set(deliveryId, () => resolve(SENT))),
  );
  const claim = queue.claim.bind(queue);
  queue.claim = async (dispatcher, limit, busy) => {
    const answer = await claim(dispatcher, limit, busy);
    if (busy.hosts.length > 0) {
      // Both are sent while the database answers.
      for (const deliveryId of [1, 2]) ends.get(deliveryId)?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return answer;
  };
  const running = run(queue, {
    ceilings: { places: { first: 2, most: 2 }, held: 1000, claim: 4 },
    channels: channelsOf(channel),
  });
  for (let turn = 0; turn < 20 && queue.waiting.length > 0; turn += 1)
    await new Promise((resolve) => setImmediate(resolve));
  // No time has passed.
  expect(queue.claims.slice(0, 3)).toEqual([4, 0, 2]);
  for (let turn = 0; turn < 20 && queue.leaves.length === 0; turn += 1) {
    for (const end of ends.values()) end();
    await vi.advanceTimersByTimeAsync(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await running;
  expect(queue.reported()).toEqual(range(6));
});

describe('a budget', () => {
  test('of deliveries is never exceeded, and what is left over is handed to another', async () => {
    const queue = new InMemoryQueue(deliveries(range(1000)));
    const budget = { deliveries: 250, milliseconds: Number.POSITIVE_INFINITY };
    const summary = await run(queue, { ceilings: CLAIM_100, budget });
    expect(queue.claims.filter((count) => count > 0)).toEqual([100, 100, 50]);
    expect(queue.reported()).toEqual(range(250));
    expect(queue.leaves).toEqual([true]);
    expect(summary).toMatchObject({ claimed: 250, handedOver: true });
  });

  test('of time ends the work between two claims', async () => {
    const queue = new InMemoryQueue(deliveries(range(1000)));
    let time = 0;
    const channel = channelOf(() => {
      time += 1;
      return SENT;
    });
    const budget = { deliveries: Number.POSITIVE_INFINITY, milliseconds: 150 };
    await run(queue, { channels: channelsOf(channel), ceilings: CLAIM_100, budget, now: () => time });
    expect(queue.reported()).toEqual(range(200));
    expect(queue.leaves).toEqual([true]);
  });

  test('that is not used up is not mentioned', async () => {
    const queue = new InMemoryQueue(deliveries([1]));
    const budget = { deliveries: 2, milliseconds: 60_000 };
    expect(await run(queue, { budget })).toMatchObject({ handedOver: false });
    expect(queue.leaves).toEqual([false]);
  });
});

describe('a heartbeat', () => {
  test('names no longer what could not be reported, so that it is handed out again', async () => {
    const queue = new InMemoryQueue(deliveries([1, 2]));
    const slow = Promise.withResolvers<Outcome>();
    queue.beforeComplete = (reports) => {
      if (reports.some(({ deliveryId }) => deliveryId === 1)) throw new Error('refused');
    };
    queue.onHeartbeat = () => {
      if (queue.heartbeats.at(-1)?.join() === '2') slow.resolve(SENT);
    };
    const channel = channelOf(({ deliveryId }) => (deliveryId === 2 ? slow.promise : SENT));
    const options = { channels: channelsOf(channel), heartbeatMs: 1, patienceMs: 0 };
    await expect(run(queue, options)).rejects.toThrow('refused');
    expect(queue.reported()).toEqual([2]);
  });

  test('names what is not settled yet, and a failed one stops nothing', async () => {
    const queue = new InMemoryQueue(deliveries([1, 2, 3]));
    const slow = Promise.withResolvers<Outcome>();
    queue.onHeartbeat = () => {
      if (queue.heartbeats.length === 1) throw new Error('the database is away');
      slow.resolve(SENT);
    };
    const channel = channelOf(({ deliveryId }) => (deliveryId === 2 ? slow.promise : SENT));
    const summary = await run(queue, { channels: channelsOf(channel), heartbeatMs: 1 });
    for (const beat of queue.heartbeats.slice(0, 2)) expect(beat).toContain(2);
    expect(summary).toMatchObject({ outcomes: { sent: 3 } });
  });

  test.each(['well', 'badly'])('ends with the work, when that ends %s', async (how) => {
    const queue = new InMemoryQueue(deliveries([1]));
    const started = vi.spyOn(globalThis, 'setInterval');
    const ended = vi.spyOn(globalThis, 'clearInterval');
    onTestFinished(() => void vi.restoreAllMocks());
    if (how === 'badly') {
      queue.beforeComplete = () => {
        throw new Error('the database is away');
      };
    }
    await run(queue, { patienceMs: 0 }).catch(() => {});
    const beats = started.mock.results.map(({ value }) => value);
    expect(beats).toHaveLength(1);
    expect(ended).toHaveBeenCalledWith(beats[0]);
  });
});

describe('a failure', () => {
  const failure = new Error('the database is away');

  test('to claim ends the dispatcher with that error', async () => {
    const queue = new InMemoryQueue();
    queue.beforeClaim = () => {
      throw failure;
    };
    await expect(run(queue)).rejects.toBe(failure);
    // Another would fail as well, and call the next, and so on.
    expect(queue.leaves).toEqual([]);
  });

  test('to claim again loses no report of what was sent before', async () => {
    const queue = new InMemoryQueue(deliveries(range(5)));
    queue.beforeClaim = () => {
      if (queue.claims.length > 0) throw failure;
    };
    await expect(run(queue)).rejects.toBe(failure);
    expect(queue.reported()).toEqual(range(5));
    expect(queue.leaves).toEqual([true]);
  });

  test('to leave ends the dispatcher with that error', async () => {
    const queue = new InMemoryQueue();
    queue.onLeave = () => {
      throw failure;
    };
    await expect(run(queue)).rejects.toBe(failure);
  });

  test('to report that passes is not noticed', async () => {
    const queue = new InMemoryQueue(deliveries(range(3)));
    let failures = 2;
    queue.beforeComplete = () => {
      if (failures-- > 0) throw failure;
    };
    expect(await run(queue)).toMatchObject({ outcomes: { sent: 3 } });
    expect(queue.reported()).toEqual(range(3));
  });

  test('to read some of what was claimed is reported, and keeps the others from nothing', async () => {
    const queue = new InMemoryQueue(deliveries(range(3)));
    const outcome: Outcome = {
      outcome: 'retry',
      status: null,
      code: 'delivery_unreadable',
      message: '',
      retryAfterSeconds: null,
    };
    queue.unreadable = [{ deliveryId: 4, claimNumber: 2, outcome }];
    expect(await run(queue)).toMatchObject({ claimed: 4, outcomes: { sent: 3, retry: 1 } });
    expect(queue.reported()).toEqual(range(4));
    expect(queue.reports).toContainEqual({ deliveryId: 4, claimNumber: 2, outcome });
  });

  test('of a channel that throws, although it must not, is that one delivery’s alone', async () => {
    const queue = new InMemoryQueue(deliveries(range(10)));
    const channel = channelOf(({ deliveryId }) => {
      if (deliveryId === 4) throw new TypeError('a secret in a message');
      return SENT;
    });
    const summary = await run(queue, { channels: channelsOf(channel) });
    expect(queue.reported()).toEqual(range(10));
    expect(summary.outcomes).toEqual({ sent: 9, retry: 1 });
    const report = queue.reports.find(({ deliveryId }) => deliveryId === 4);
    expect(report?.outcome).toEqual({
      outcome: 'retry',
      status: null,
      code: 'channel_failed',
      message: 'The channel threw TypeError.',
      retryAfterSeconds: null,
    });
  });
});

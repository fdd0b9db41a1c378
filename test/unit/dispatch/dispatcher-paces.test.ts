import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Outcome } from '../../../src/server/channels/channel.ts';
import { PROCESS_CEILINGS } from '../../../src/server/dispatch/ceilings.ts';
import { dispatch } from '../../../src/server/dispatch/dispatcher.ts';
import { createLanes } from '../../../src/server/dispatch/lanes.ts';
import { channelOf, channelsOf, deliveries, InMemoryQueue, range, SENT } from './in-memory-queue.ts';
import { throttled } from './simulated-dispatchers.ts';

const HOST = 'https://push.example.com';

/** Time passes only when a test says so, in timers and in `now`. */
function useFakeTime(): { now: () => number; pass: (milliseconds: number) => Promise<unknown> } {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  return { now: () => performance.now(), pass: (milliseconds) => vi.advanceTimersByTimeAsync(milliseconds) };
}

/** A channel that answers after so many milliseconds, and how many are under way there. */
function slowly(milliseconds: number, outcomeOf: () => Outcome = () => SENT) {
  let underWay = 0;
  let most = 0;
  const channel = channelOf(async () => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    underWay -= 1;
    return outcomeOf();
  });
  return { channels: channelsOf(channel), most: () => most };
}

describe('a dispatcher', () => {
  test('claims as much as push services take: few at first, more where answers are slow', async () => {
    const { pass } = useFakeTime();
    const queue = new InMemoryQueue(deliveries(range(20_000)));
    const { channels, most } = slowly(300);
    const done = dispatch('00000000-0000-4000-8000-00000000000d', { queue, channels, lingerMs: 0 });
    await pass(290);
    expect(most()).toBe(50);
    expect(queue.asked[0]).toEqual({ limit: 200, busy: { hosts: [], users: [], rooms: {}, paces: {} } });
    await pass(3000);
    expect(most()).toBeGreaterThan(1000);
    expect(Math.max(...queue.asked.map(({ limit }) => limit))).toBe(PROCESS_CEILINGS.claim);
    await pass(20_000);
    await done;
    expect(queue.reported()).toEqual(range(20_000));
  });

  test('holds no more than it may, whatever push services take', async () => {
    const { pass } = useFakeTime();
    const queue = new InMemoryQueue(deliveries(range(3000)));
    const ceilings = { places: { first: 50, most: 2000 }, held: 400, claim: 500 };
    const { channels, most } = slowly(300);
    const done = dispatch('00000000-0000-4000-8000-00000000000d', { queue, channels, ceilings, lingerMs: 0 });
    await pass(10_000);
    await done;
    expect(most()).toBeLessThanOrEqual(400);
    expect(queue.reported()).toEqual(range(3000));
  });

  test('says what a push service that throttles accepts, and asks for no more than that', async () => {
    const { pass } = useFakeTime();
    const queue = new InMemoryQueue(deliveries(range(2000)));
    let answers = 0;
    const { channels } = slowly(10, () => (answers++ % 2 === 0 ? SENT : throttled()));
    void dispatch('00000000-0000-4000-8000-00000000000d', { queue, channels, lingerMs: 0 });
    await pass(1000);
    const { busy } = queue.asked.at(-1) ?? {};
    expect(busy?.paces?.[HOST]).toBeGreaterThan(0);
    const claimed = queue.claims.slice(1).filter((count) => count > 0);
    expect(Math.max(...claimed.slice(-3))).toBeLessThan(50);
    await pass(600_000);
  });

  test('begins where another one found a push service to throttle', async () => {
    const { pass } = useFakeTime();
    const queue = new InMemoryQueue(deliveries(range(100)));
    queue.paces = { [HOST]: 10 };
    const { channels } = slowly(10);
    void dispatch('00000000-0000-4000-8000-00000000000d', { queue, channels, lingerMs: 0 });
    await pass(1000);
    expect(queue.reports.length).toBeLessThanOrEqual(9);
    await pass(120_000);
    expect(queue.reported()).toEqual(range(100));
  });

  test('makes no deliveries of a topic while a push service got all it had room for', async () => {
    const { pass } = useFakeTime();
    const queue = new InMemoryQueue(deliveries(range(400)));
    const looks: number[] = [];
    queue.fanOut = async () => {
      looks.push(queue.waiting.length);
      return false;
    };
    const { channels } = slowly(100);
    const done = dispatch('00000000-0000-4000-8000-00000000000d', { queue, channels, lingerMs: 0 });
    await pass(10_000);
    await done;
    expect(looks.length).toBeGreaterThan(0);
    expect(Math.max(...looks)).toBe(0);
  });
});

test('a push service that throttles and has a backlog holds up no message to a topic', async () => {
  const { pass } = useFakeTime();
  const queue = new InMemoryQueue(deliveries(range(400)));
  queue.paces = { [HOST]: 10 };
  const looks: number[] = [];
  queue.fanOut = async () => {
    looks.push(queue.waiting.length);
    return false;
  };
  const { channels } = slowly(100);
  const done = dispatch('00000000-0000-4000-8000-00000000000d', { queue, channels, lingerMs: 0 });
  await pass(5000);
  expect(Math.min(...looks)).toBeGreaterThan(0);
  await pass(300_000);
  await done;
  expect(queue.reported()).toEqual(range(400));
});

test('while a push service throttles, requests begin one by one at its rate, and another is not held up', async () => {
  const { pass, now } = useFakeTime();
  const reported: string[] = [];
  const lanes = createLanes({
    channels: slowly(1).channels,
    places: { first: 50, most: 50 },
    onReport: ({ deliveryId }) => reported.push(deliveryId > 100 ? 'other' : 'throttled'),
    now,
  });
  lanes.recall({ [HOST]: 20 });
  lanes.add(deliveries(range(20)));
  lanes.add(deliveries(range(30, 101), { host: 'https://other.example.com' }));
  await pass(5);
  expect(reported).toEqual(Array.from({ length: 30 }, () => 'other'));
  // Seven tenths of what was accepted, and soon a little more.
  await pass(496);
  expect(reported.length - 30).toBeGreaterThanOrEqual(6);
  expect(reported.length - 30).toBeLessThanOrEqual(8);
  await pass(5000);
  expect(reported).toHaveLength(50);
});

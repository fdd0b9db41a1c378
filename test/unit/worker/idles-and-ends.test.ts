import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { DeliveryQueue } from '../../../src/server/database/delivery-queue.ts';
import type { SqlDatabase } from '../../../src/server/database/sql-database.ts';
import { runWorker, type WorkerEvent } from '../../../src/server/worker/worker.ts';
import { createWorkerState } from '../../../src/server/worker/worker-metrics.ts';
import { SupapushError } from '../../../src/shared/errors.ts';

const WORKER = '00000000-0000-4000-8000-000000000001';
const CALL = '00000000-0000-4000-8000-000000000002';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A worker that asks, over a database that the test answers for. */
function start(
  options: {
    heartbeat?: (look: boolean) => string[] | Promise<string[]>;
    leaves?: () => boolean;
    queue?: Partial<DeliveryQueue>;
  } = {},
) {
  const { heartbeat = () => [], leaves = () => true } = options;
  const calls: string[] = [];
  const events: WorkerEvent[] = [];
  const database: SqlDatabase = {
    async first(call, statement) {
      calls.push(call);
      const values: unknown[] = [];
      statement(((_: unknown, ...given: unknown[]) => void values.push(...given)) as never);
      const row =
        call === 'push_worker_leave'
          ? { may_end: leaves() }
          : {
              answer: {
                protocol: 1,
                calls: await heartbeat(values.at(-1) === true),
                channel: `supapush_${WORKER.replaceAll('-', '')}`,
                lease_seconds: 30,
                now: 1,
              },
            };
      return row as never;
    },
    close: async () => {},
  };
  const queue: DeliveryQueue = {
    claim: async () => ({ deliveries: [], unreadable: [] }),
    complete: async () => {},
    heartbeat: async () => {},
    fanOut: async () => false,
    leave: async () => true,
    ...options.queue,
  };
  const ending = new AbortController();
  const state = createWorkerState(0);
  const running = runWorker(
    {
      identity: { id: WORKER, name: 'a worker', version: '0.1.0' },
      database,
      openSession: null,
      queue,
      channels: {} as never,
      state,
      log: (event) => events.push(event),
      onTime: () => {},
      isFinal: (error) => error instanceof SupapushError && error.code === 'usage',
    },
    ending.signal,
  );
  running.catch(() => {});
  return { calls, events, state, running, end: () => ending.abort() };
}

test('where it cannot listen, it asks once a second, and nothing more', async () => {
  const { calls, running, end } = start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(calls.length).toBeGreaterThanOrEqual(60);
  expect(calls.length).toBeLessThanOrEqual(61);
  end();
  await vi.advanceTimersByTimeAsync(1);
  await running;
  expect(calls.at(-1)).toBe('push_worker_leave');
});

test('a call that is told again while it is worked on is begun once', async () => {
  let claims = 0;
  const { events, state, running, end } = start({
    heartbeat: () => [CALL],
    queue: {
      claim: async (dispatcher) => {
        expect(dispatcher).toBe(CALL);
        claims += 1;
        await new Promise((resolve) => setTimeout(resolve, 10_000));
        return { deliveries: [], unreadable: [] };
      },
    },
  });
  await vi.advanceTimersByTimeAsync(5000);
  expect(claims).toBe(1);
  expect(state.dispatchers).toBe(1);
  end();
  await vi.advanceTimersByTimeAsync(10_000);
  await running;
  expect(events.map(({ event }) => event)).toEqual(['asking', 'draining', 'dispatched', 'drained']);
});

test('while the database does not answer it says so once, waits longer each time, and looks for what it missed', async () => {
  let isDown = true;
  const { calls, events, state, running, end } = start({
    heartbeat: () => {
      if (isDown) throw new SupapushError('queue_unreachable');
      return [];
    },
  });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(state.hears).toBeNull();
  expect(calls.length).toBeLessThan(20);
  expect(events.filter(({ event }) => event === 'database_lost')).toHaveLength(1);
  isDown = false;
  await vi.advanceTimersByTimeAsync(5000);
  expect(state.hears).toBe('asks');
  end();
  await vi.advanceTimersByTimeAsync(1);
  await running;
});

test('it ends with what waiting does not cure', async () => {
  const { running } = start({
    heartbeat: () => {
      throw new SupapushError('usage', 'No right.');
    },
  });
  await vi.advanceTimersByTimeAsync(1);
  await expect(running).rejects.toThrow('No right.');
});

test('a transaction that calls it holds up its end, but not for long', async () => {
  let open = true;
  const { calls, running, end } = start({ leaves: () => !open });
  await vi.advanceTimersByTimeAsync(1);
  end();
  await vi.advanceTimersByTimeAsync(1000);
  const asked = calls.filter((call) => call === 'push_worker_leave').length;
  expect(asked).toBeGreaterThan(1);
  open = false;
  await vi.advanceTimersByTimeAsync(200);
  await running;

  const other = start({ leaves: () => false });
  await vi.advanceTimersByTimeAsync(1);
  other.end();
  await vi.advanceTimersByTimeAsync(6000);
  await other.running;
});

test('a dispatcher that fails is followed by another look, more seldom the more often it fails', async () => {
  const claims: number[] = [];
  const { events, running, end } = start({
    heartbeat: (look) => (look ? [`00000000-0000-4000-8000-${String(claims.length).padStart(12, '0')}`] : []),
    queue: {
      claim: async () => {
        claims.push(Date.now());
        throw new SupapushError('queue_unreachable');
      },
    },
  });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(events.filter(({ event }) => event === 'dispatch_failed')).toHaveLength(claims.length);
  expect(claims.length).toBeGreaterThan(5);
  expect(claims.length).toBeLessThan(20);
  end();
  await vi.advanceTimersByTimeAsync(10);
  await running;
});

test('it ends with what waiting does not cure a dispatcher of either, after the others have reported', async () => {
  const other = CALL.replace('2', '3');
  const failure = new SupapushError('usage', 'No right to claim.');
  const { calls, events, running } = start({
    heartbeat: () => [CALL, other],
    queue: {
      claim: async (dispatcher) => {
        if (dispatcher === CALL) throw failure;
        await new Promise((resolve) => setTimeout(resolve, 100));
        return { deliveries: [], unreadable: [] };
      },
    },
  });
  await vi.advanceTimersByTimeAsync(200);
  await expect(running).rejects.toBe(failure);
  expect(calls.filter((call) => call === 'push_worker_heartbeat')).toHaveLength(1);
  expect(events.map(({ event }) => event)).toEqual([
    'asking',
    'dispatch_failed',
    'draining',
    'dispatched',
    'drained',
  ]);
});

test('a dispatcher that fails while the database is asked is looked after with the next heartbeat', async () => {
  const looks: boolean[] = [];
  const { running, end } = start({
    heartbeat: async (look) => {
      looks.push(look);
      // The second takes half a second; the failure is told in the middle of it.
      if (looks.length === 2) await new Promise((resolve) => setTimeout(resolve, 500));
      return looks.length === 1 ? [CALL] : [];
    },
    queue: {
      claim: async () => {
        await new Promise((resolve) => setTimeout(resolve, 900));
        throw new SupapushError('queue_unreachable');
      },
    },
  });
  await vi.advanceTimersByTimeAsync(1600);
  expect(looks).toEqual([true, false, true]);
  end();
  await vi.advanceTimersByTimeAsync(10);
  await running;
});

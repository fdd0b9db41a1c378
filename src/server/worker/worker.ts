import type { Channels } from '../channels/channel.ts';
import type { DeliveryQueue } from '../database/delivery-queue.ts';
import type { SqlDatabase } from '../database/sql-database.ts';
import {
  type WorkerAnswer,
  type WorkerIdentity,
  workerHeartbeat,
  workerLeaves,
} from '../database/worker-registry.ts';
import { type DispatchSummary, dispatch } from '../dispatch/dispatcher.ts';
import { createLatch } from './latch.ts';
import { type Listening, listen, type OpenSession } from './listening.ts';
import { countedQueue, type WorkerState } from './worker-metrics.ts';

/** What a worker says of itself, one line each. */
export type WorkerEvent =
  | { event: 'listening' }
  | { event: 'asking'; reason: 'pooler' | 'asked_to' }
  | { event: 'dispatched'; dispatcher: string; milliseconds: number; summary: DispatchSummary }
  | { event: 'dispatch_failed'; dispatcher: string; message: string }
  | { event: 'listening_lost' }
  | { event: 'database_lost'; message: string }
  | { event: 'draining'; dispatchers: number }
  | { event: 'drained' };

export interface WorkerOptions {
  identity: WorkerIdentity;
  database: SqlDatabase;
  /** Opens the session in which it listens; null: it asks. */
  openSession: OpenSession | null;
  queue: DeliveryQueue;
  channels: Channels;
  state: WorkerState;
  log: (event: WorkerEvent) => void;
  /** Told what the database's clock says. */
  onTime: (now: number) => void;
  /** Whether an error is one that waiting does not cure. */
  isFinal: (error: unknown) => boolean;
  now?: () => number;
}

/** Where it cannot listen, it asks so often: soon enough for a message, seldom enough to cost nothing. */
const ASK_MS = 1000;
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5000;
/** What it waits for transactions that call it while it ends. The tick finds what they leave. */
const LEAVE_MS = 5000;

/**
 * Does the work of push-dispatch until `signal` aborts: idles at next to no cost until the database calls it, and then runs a
 * dispatcher until nothing is due. When it ends it finishes what is under way, reports it, and hands the rest over.
 *
 * While the database does not answer it tries again. Throws what `isFinal` says is not cured by that, to it or to a dispatcher,
 * after it has reported what it could.
 */
export async function runWorker(options: WorkerOptions, signal: AbortSignal): Promise<void> {
  const { identity, database, state, log } = options;
  const { now = Date.now } = options;
  const called = createLatch();
  const ending = new AbortController();
  let contact: Contact | undefined;
  // At first and after each loss: what was rung for meanwhile is looked for.
  let look = true;
  let final: { error: unknown } | undefined;
  const dispatches = createDispatches(options, ending.signal, {
    onFailure() {
      look = true;
      called.open();
    },
    onFinal(error) {
      final ??= { error };
      called.open();
    },
  });
  let wait = FIRST_WAIT_MS;

  try {
    while (!signal.aborted) {
      try {
        if (final !== undefined) throw final.error;
        contact ??= await openContact(options, called.open, () => {
          contact = undefined;
          look = true;
          if (!signal.aborted) log({ event: 'listening_lost' });
          called.open();
        });
        const current = contact;
        // Taken before it is asked for: what sets it meanwhile is another reason to look.
        const isLook = look;
        look = false;
        const answer = await current.heartbeat(isLook);
        // From here on it is called.
        if (!current.isTold) log(current.opened);
        current.isTold = true;
        wait = FIRST_WAIT_MS;
        state.hears = current.listening === null ? 'asks' : 'listens';
        state.lastContactAt = now();
        options.onTime(answer.now);
        for (const call of answer.calls) dispatches.start(call);
        await called.wait(current.listening === null ? ASK_MS : answer.leaseMs / 3, signal);
      } catch (error) {
        if (options.isFinal(error)) throw error;
        const lost: Contact | undefined = contact;
        contact = undefined;
        look = true;
        if (state.hears !== null || wait === FIRST_WAIT_MS)
          log({ event: 'database_lost', message: error instanceof Error ? error.message : String(error) });
        state.hears = null;
        await lost?.listening?.close();
        await createLatch().wait(wait, signal);
        wait = Math.min(wait * 2, LONGEST_WAIT_MS);
      }
    }
  } finally {
    state.isDraining = true;
    log({ event: 'draining', dispatchers: state.dispatchers });
    // First, so that what its dispatchers hand over does not come back to it.
    const left = await leaves(database, identity.id);
    ending.abort();
    await dispatches.drained();
    if (!left) await leavesAtLast(database, identity.id);
    const open: Contact | undefined = contact;
    contact = undefined;
    await open?.listening?.close();
    log({ event: 'drained' });
  }
}

/** How a worker hears that it is called. */
interface Contact {
  /** Null: it asks. */
  listening: Listening | null;
  opened: WorkerEvent;
  isTold: boolean;
  heartbeat(look: boolean): Promise<WorkerAnswer>;
}

async function openContact(
  { identity, database, openSession }: WorkerOptions,
  onCall: () => void,
  onLost: () => void,
): Promise<Contact> {
  const ask = (look: boolean) => workerHeartbeat(database, identity, { listens: false, look });
  const asking = (reason: 'pooler' | 'asked_to'): Contact => ({
    listening: null,
    opened: { event: 'asking', reason },
    isTold: false,
    heartbeat: ask,
  });
  if (openSession === null) return asking('asked_to');
  // It is registered before it listens: from then on it is called, and the first heartbeat of its session finds what was missed.
  const { channel } = await ask(false);
  const listening = await listen({ openSession, pool: database, channel, onCall, onLost });
  if (listening === null) return asking('pooler');
  return {
    listening,
    opened: { event: 'listening' },
    isTold: false,
    heartbeat: (look) => workerHeartbeat(listening.database, identity, { listens: true, look }),
  };
}

/** The dispatchers at work in a worker. `onFinal` is told what no other dispatcher would fare better with. */
function createDispatches(
  { queue: bare, channels, state, log, isFinal }: WorkerOptions,
  signal: AbortSignal,
  { onFailure, onFinal }: { onFailure: () => void; onFinal: (error: unknown) => void },
) {
  const queue = countedQueue(bare, state);
  const running = new Map<string, Promise<void>>();
  let failures = 0;
  const run = async (dispatcher: string): Promise<void> => {
    const started = performance.now();
    state.dispatchers += 1;
    try {
      const summary = await dispatch(dispatcher, { queue, channels, signal });
      failures = 0;
      state.dispatches.done += 1;
      const milliseconds = Math.round(performance.now() - started);
      log({ event: 'dispatched', dispatcher, milliseconds, summary });
    } catch (error) {
      state.dispatches.failed += 1;
      const message = error instanceof Error ? error.message : String(error);
      log({ event: 'dispatch_failed', dispatcher, message });
      if (isFinal(error)) return onFinal(error);
      // What it left is looked for, more seldom the more often that fails.
      const wait = Math.min(FIRST_WAIT_MS * 2 ** failures, LONGEST_WAIT_MS);
      failures = Math.min(failures + 1, 10);
      if (!signal.aborted) {
        const timer = setTimeout(onFailure, wait);
        signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
      }
    } finally {
      state.dispatchers -= 1;
      running.delete(dispatcher);
    }
  };
  return {
    /** Begins to work as this dispatcher, unless it does already. */
    start(dispatcher: string) {
      if (!running.has(dispatcher)) running.set(dispatcher, run(dispatcher));
    },
    async drained() {
      while (running.size > 0) await Promise.all(running.values());
    },
  };
}

async function leaves(database: SqlDatabase, id: string): Promise<boolean> {
  // Without an answer its lease ends.
  return await workerLeaves(database, id).catch(() => true);
}

/** Asks again until the transactions that call it have ended. */
async function leavesAtLast(database: SqlDatabase, id: string): Promise<void> {
  const until = performance.now() + LEAVE_MS;
  const never = new AbortController().signal;
  while (!(await leaves(database, id)) && performance.now() < until)
    await createLatch().wait(ASK_MS / 10, never);
}

import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import type { VirtualDevice } from '../../tools/local/push-service/push-service.ts';
import { startStack } from '../../tools/local/stack.ts';
import { createRecipients } from '../support/recipients.ts';
import { type Bench, type Progress, percentile } from './harness/bench.ts';

const SECONDS = 60;
const COMMITS_PER_SECOND = 50;
const DEVICES = 20;
const LIMIT_MS = 30_000;

/** Commits a message and resolves with the milliseconds until its device has decrypted it. */
type Notify = (recipient: number) => Promise<number>;

/** A message whose arrival is noticed; the clock starts when its commit is sent, later work is not hidden by it. */
function createNotify(sql: postgres.Sql, recipients: { userId: string; device: VirtualDevice }[]): Notify {
  const waiting = new Map<string, (milliseconds: number) => void>();
  const committing = new Map<string, number>();
  for (const { device } of recipients) {
    device.onMessage((message) => {
      const { title } = (message.json as { notification: { title: string } }).notification;
      waiting.get(title)?.(performance.now() - (committing.get(title) ?? Number.NaN));
      waiting.delete(title);
      committing.delete(title);
    });
  }
  let count = 0;
  return async (recipient) => {
    count += 1;
    const title = `Message ${count}`;
    const { userId } = recipients[recipient % recipients.length] as { userId: string };
    const arrived = new Promise<number>((resolve) => waiting.set(title, resolve));
    await sql.begin(async (transaction) => {
      await transaction`select push.notify(${userId}::uuid, ${title}, 'The deal went to won.')`;
      committing.set(title, performance.now());
    });
    const late = delay(LIMIT_MS, Number.POSITIVE_INFINITY, { ref: false });
    return await Promise.race([arrived, late]);
  };
}

/** One message at a time, each to a function that has gone to sleep since the last. */
async function idle(sql: postgres.Sql, notify: Notify, progress: Progress): Promise<number[]> {
  const latencies: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  while (performance.now() < end) {
    progress(`idle: ${latencies.length} messages, ${Math.ceil((end - performance.now()) / 1000)} s left`);
    latencies.push(await notify(latencies.length));
    while ((await sql`select from push.dispatchers limit 1`).length > 0) await delay(50);
    // Not in step with anything that runs at fixed times.
    await delay(200 + Math.random() * 300);
  }
  return latencies;
}

/** Commits at a steady rate, whether or not earlier ones have arrived. */
async function busy(notify: Notify, progress: Progress): Promise<number[]> {
  const total = SECONDS * COMMITS_PER_SECOND;
  const started = performance.now();
  const under: Promise<number>[] = [];
  while (under.length < total) {
    const due = started + (under.length / COMMITS_PER_SECOND) * 1000;
    if (due > performance.now()) await delay(due - performance.now());
    if (under.length % COMMITS_PER_SECOND === 0) progress(`busy: ${under.length} of ${total} commits`);
    under.push(notify(under.length));
  }
  return await Promise.all(under);
}

const bench: Bench = {
  summary: 'Commit to device, idle and at 50 commits per second, over 60 s each',
  compared: [
    { name: 'idle_p50', kind: 'time', row: 'idle', column: 'p50' },
    { name: 'busy_p50', kind: 'time', row: 'busy', column: 'p50' },
  ],
  async run(progress) {
    progress('starting the stack');
    const stack = await startStack({ durable: true });
    const sql = postgres(stack.databaseUrl, { max: 10, onnotice: () => undefined });
    try {
      const recipients = await createRecipients(sql, stack.pushService, DEVICES);
      const notify = createNotify(sql, recipients);
      // The function's first call builds what it keeps; that is not what is measured.
      await notify(0);
      const samples = { idle: await idle(sql, notify, progress), busy: await busy(notify, progress) };
      const at = (name: keyof typeof samples, share: number) => percentile(samples[name], share);
      return {
        columns: ['ms', 'messages', 'p50', 'p95', 'p99', 'most'],
        rows: (['idle', 'busy'] as const).map((name) => [
          name,
          samples[name].length,
          at(name, 0.5),
          at(name, 0.95),
          at(name, 0.99),
          Math.max(...samples[name]),
        ]),
        marks: [
          { name: 'idle_p50_ms', value: at('idle', 0.5), atMost: 50 },
          { name: 'busy_p99_ms', value: at('busy', 0.99), atMost: 1000 },
        ],
        notes: [
          `${SECONDS} s each, flushed to disk. From sending the commit until a device with keys of its own has decrypted the message.`,
          'idle: every message rings a function whose last dispatcher has left. busy: at a steady rate, early or late arrivals alike.',
        ],
      };
    } finally {
      await sql.end();
      await stack.stop();
    }
  },
};

export default bench;

import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { startStack } from '../../../tools/local/stack.ts';
import { createRecipients } from '../../support/recipients.ts';
import type { Progress } from './bench.ts';
import { CROSSED, openMarket, quotesOf, recordQuotes, SYMBOLS } from './market.ts';

const LIMIT_MS = 30_000;

/**
 * Lets one alert of `alerts` fire per tick of all symbols, `messages` times, on a whole stack that flushes to disk.
 *
 * Returns, of each, the milliseconds from sending the commit of the quotes until a device with keys of its own has
 * decrypted the message; the function has gone to sleep since the one before. The first, which builds what the
 * function keeps, is not among them.
 */
export async function measureAlertLatency(
  alerts: number,
  messages: number,
  progress: Progress,
): Promise<number[]> {
  progress(`starting a stack with ${alerts.toLocaleString('en')} alerts`);
  const stack = await startStack({ durable: true });
  const sql = postgres(stack.databaseUrl, { max: 2, onnotice: () => undefined });
  const superuser = postgres(stack.superuserDatabaseUrl, { max: 1, onnotice: () => undefined });
  try {
    const recipients = await createRecipients(sql, stack.pushService, CROSSED);
    await openMarket(
      superuser,
      recipients.map(({ userId }) => userId),
      alerts,
    );
    let arrived: (at: number) => void = () => undefined;
    for (const { device } of recipients) device.onMessage(() => arrived(performance.now()));
    await recordQuotes(sql, quotesOf(SYMBOLS, 100, new Date()));

    const latencies: number[] = [];
    for (let count = 0; count <= messages; count += 1) {
      progress(`message ${count} of ${messages}`);
      const at = new Promise<number>((resolve) => {
        arrived = resolve;
      });
      const quotes = quotesOf(SYMBOLS, 100, new Date()).map((quote, index) =>
        index <= count ? { ...quote, value: 101 } : quote,
      );
      let committed = Number.NaN;
      await sql.begin(async (transaction) => {
        const fired = await recordQuotes(transaction, quotes);
        if (fired !== 1) throw new Error(`A tick fired ${fired} alerts instead of one.`);
        committed = performance.now();
      });
      const late = delay(LIMIT_MS, Number.POSITIVE_INFINITY, { ref: false });
      latencies.push((await Promise.race([at, late])) - committed);
      while ((await sql`select from push.dispatchers limit 1`).length > 0) await delay(50);
      // Not in step with anything that runs at fixed times.
      await delay(Math.random() * 300);
    }
    return latencies.slice(1);
  } finally {
    await superuser.end();
    await sql.end();
    await stack.stop();
  }
}

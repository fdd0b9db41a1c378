import type postgres from 'postgres';
import { eventually } from './eventually.ts';
import { deliveryStates } from './recipients.ts';

/** Makes every wait of the queue a few hundredths of a second, so that tests of what is waited for take no time. */
export async function makeImpatient(sql: postgres.Sql): Promise<void> {
  await sql`
    update push.settings set
      backoff_base = interval '20 milliseconds', backoff_max = interval '100 milliseconds',
      probe_every = interval '20 milliseconds', probe_backoff_max = interval '100 milliseconds', max_attempts = 100`;
}

/** Ticks, as pg_cron would more slowly, until every delivery is in one of these states. */
export async function settle(
  sql: postgres.Sql,
  states: string[],
  timeoutMs = 60_000,
): Promise<Record<string, number>> {
  return eventually(
    async () => {
      // A tick that fails is followed by the next, as with pg_cron.
      await sql`select push.tick()`.catch(() => {});
      return deliveryStates(sql);
    },
    (found) => Object.keys(found).every((state) => states.includes(state)),
    timeoutMs,
  );
}

/** How many messages came more than once; prints the number, which is what a fault may cost. */
export function duplicates(name: string, messages: readonly (string | null)[]): number {
  const count = messages.length - new Set(messages).size;
  console.log(`${name}: ${messages.length} arrived, ${count} of them a second time`);
  return count;
}

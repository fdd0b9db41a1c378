import type postgres from 'postgres';
import type { Stack } from '../local/stack.ts';
import type { MarketDay } from './market-day.ts';
import type { Narrator } from './narrator.ts';
import type { Person } from './phones.ts';

/**
 * Declares the stack's quote server as a source and lets the DAX jump over yesterday_high: pg_cron rings, push-quotes
 * fetches, and the phone of that person, whose only alert it is, shows it. Throws when anything is off.
 */
export async function fetchOvernightGap<Tables>(
  stack: Stack,
  sql: postgres.Sql,
  { say, check }: Narrator,
  day: MarketDay,
  { name, id, phone }: Person<Tables>,
): Promise<void> {
  const server = stack.quotes;
  if (!server) throw new Error('This part needs a stack with a quote server.');
  for (const [symbol, value] of day.closing) server.quote(symbol, value);
  await sql`
    select push.define_quote_source(
      'exchange', 'json', ${`${server.origin}/json?symbols={symbols}`},
      p_value_at => 'data[*].last', p_symbol_at => 'data[*].symbol', p_time_at => 'data[*].time',
      p_every => '1 second'
    ), push.schedule_quotes('1 seconds')`;
  say(`push.define_quote_source('exchange', 'json', '${server.origin}/json?symbols={symbols}', …)`);
  say("push.schedule_quotes('1 seconds'), because the demo does not wait for the next minute");

  const [request] = await server.waitFor(() => true, { timeoutMs: 20_000 });
  const asked = request?.symbols.toSorted().join() ?? '';
  check(
    asked === 'BTC,DAX,EURUSD',
    `push-quotes asked for ${asked}: not for GOLD, which no alert watches any more`,
  );
  await untilArmed(sql, id);
  say(
    `${name}'s alert knows the DAX again, at ${day.closing.get('DAX')}, below the new level ${day.today.high}`,
  );

  const gap = Math.ceil(day.today.high + 25);
  const since = Date.now();
  server.quote('DAX', gap);
  say(`the source says ${gap} now`);
  const message = await phone.next({ timeoutMs: 20_000 });
  const { title, body } = (message.json as { notification: { title: string; body: string } }).notification;
  say(`${name}'s phone: "${title}" / "${body}"   ${message.arrivedAt - since} ms after the source said it`);
  check(
    title === '🔴 DAX - Yesterday High' && body.endsWith(`now ${gap}`),
    'from the source to the phone, by way of pg_cron, push-quotes, Postgres and push-dispatch',
  );
}

/** Waits until the only alert of that user is armed; throws after 20 seconds. */
async function untilArmed(sql: postgres.Sql, userId: string): Promise<void> {
  for (let look = 0; look < 400; look++) {
    const [alert] = await sql`select armed from public.push_alerts where user_id = ${userId}`;
    if (alert?.armed) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('No quote of the source reached the alert within 20 seconds.');
}

import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { alertSummaries, recordQuotes } from '../../support/alerts.ts';
import { eventually } from '../../support/eventually.ts';
import { createRecipients, deliveryStates, type Recipient } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

/** As many of each as one user may have, and a quote each second that crosses all of these alerts. */
const DEVICES = 20;
const ALERTS = 100;
const SECONDS = 6;
const MESSAGES_A_SECOND = 4;
const LIMIT = 10;

let stack: Stack;
let sql: postgres.Sql;
beforeAll(async () => {
  // What pg_cron does each minute is done by hand.
  stack = await startMigratedStack({ workers: { cron: false } });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
});
afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

/** A user with all devices and alerts there may be. */
async function createAttacker(): Promise<{ userId: string; devices: Recipient['device'][] }> {
  const recipients = await createRecipients(sql, stack.pushService, DEVICES);
  const [{ userId }] = recipients;
  await sql`
    update public.push_subscriptions set user_id = ${userId}
    where id = any (${recipients.map(({ subscriptionId }) => subscriptionId)})`;
  await sql`
    insert into public.push_alerts (user_id, symbol, condition, threshold, recurring)
    select ${userId}, 'DAX', 'crosses', 100, true from generate_series(1, ${ALERTS}::int)`;
  return { userId, devices: recipients.map(({ device }) => device) };
}

/** Milliseconds from the commit of each message to the neighbour until their device has it, the slowest last. */
async function latenciesOf(
  { userId, device }: Recipient,
  meanwhile: (second: number) => Promise<void> = async () => {},
): Promise<number[]> {
  const sent: number[] = [];
  const arrived: number[] = [];
  const stop = device.onMessage(({ json }) => {
    const { title } = (json as { notification: { title: string } }).notification;
    arrived.push(performance.now() - (sent[Number(title)] as number));
  });
  for (let n = 0; n < SECONDS * MESSAGES_A_SECOND; n += 1) {
    if (n % MESSAGES_A_SECOND === 0) await meanwhile(n / MESSAGES_A_SECOND);
    sent.push(performance.now());
    await sql`insert into public.push_notifications (user_id, title) values (${userId}, ${n})`;
    await delay(1000 / MESSAGES_A_SECOND);
  }
  await eventually(
    () => arrived.length,
    (count) => count === sent.length,
  );
  stop();
  return arrived.sort((a, b) => a - b);
}

const inWords = (latencies: number[]) =>
  `p50 ${Math.round(latencies[Math.floor(latencies.length / 2)] as number)} ms, slowest ${Math.round(latencies.at(-1) as number)} ms`;

test('a user whose hundred alerts fire each second on twenty devices delays no other, and is told how many there were', async () => {
  const [neighbour] = await createRecipients(sql, stack.pushService, 1);
  const attacker = await createAttacker();
  await recordQuotes(sql, [{ symbol: 'DAX', value: 99 }], new Date());
  await latenciesOf(neighbour);

  const without = await latenciesOf(neighbour);
  let fired = 0;
  const within = await latenciesOf(neighbour, async (second) => {
    const value = second % 2 ? 99 : 101;
    fired += (await recordQuotes(sql, [{ symbol: 'DAX', value }], new Date())).fired;
  });
  expect(fired).toBe(SECONDS * ALERTS);
  console.log(`a neighbour without: ${inWords(without)}; with ${fired} alerts fired: ${inWords(within)}`);
  expect(within.at(-1)).toBeLessThan((without.at(-1) as number) + 1000);

  // As if the minute were over.
  await sql`update push.alert_counts set minute = minute - interval '1 minute'`;
  await sql`select push.tick_alerts()`;
  await sql`select push.tick()`;
  const summaries = await alertSummaries(sql);
  const counted = summaries.reduce((sum, { params }) => sum + params.count, 0);
  const [row] = await sql`
    select count(*)::int as told from public.push_notifications where user_id = ${attacker.userId} and tag <> 'alerts:more'`;
  expect(row?.told + counted).toBe(fired);
  // Two, where a minute began meanwhile.
  expect(row?.told).toBeLessThanOrEqual(2 * LIMIT);
  for (const device of attacker.devices) {
    await device.waitForMessages(row?.told + 1, { timeoutMs: 30_000 });
    expect(device.messages.filter(({ text }) => text?.includes('more alerts'))).toHaveLength(1);
  }
  console.log(
    `${row?.told} told, ${counted} counted, deliveries: ${JSON.stringify(await deliveryStates(sql))}`,
  );
}, 60_000);

import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack } from '../../../src/local/stack.ts';
import { recordQuotes } from '../../support/alerts.ts';
import { eventually } from '../../support/eventually.ts';
import { createRecipients, type Recipient } from '../../support/recipients.ts';

/** As many of each as one user may have; and a quote that all of the alerts cross, each second. */
const ACCOUNTS = 1;
const DEVICES = 20;
const ALERTS = 100;
const QUOTES = 10;
const NEIGHBOUR_EVERY_MS = 200;

let stack: Stack;
let sql: postgres.Sql;
beforeAll(async () => {
  stack = await startStack({ workers: { cron: false } });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
});
afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

/** Users with all the devices and alerts they may have; every quote on the other side of 100 fires all of these. */
async function createAttackers(): Promise<string[]> {
  const recipients = await createRecipients(sql, stack.pushService, ACCOUNTS * DEVICES);
  const users = recipients.slice(0, ACCOUNTS).map(({ userId }) => userId);
  await sql`
    update public.push_subscriptions as s set user_id = (${users}::uuid[])[1 + d.n % ${ACCOUNTS}]
    from unnest(${recipients.map(({ subscriptionId }) => subscriptionId)}::uuid[]) with ordinality as d (id, n) where s.id = d.id`;
  await sql`
    insert into public.push_alerts (user_id, symbol, condition, threshold, recurring)
    select u, 'DAX', 'crosses', 100, true from unnest(${users}::uuid[]) as u, generate_series(1, ${ALERTS}::int)`;
  return users;
}

/** Milliseconds from each commit of a message to the neighbour until their device has it, the slowest last. */
async function latenciesOf(
  { userId, device }: Recipient,
  count: number,
  meanwhile: (n: number) => Promise<unknown>,
): Promise<number[]> {
  const sent = new Map<string, number>();
  const latencies: number[] = [];
  const stop = device.onMessage(({ json }) => {
    const { title } = (json as { notification: { title: string } }).notification;
    const at = sent.get(title);
    if (at !== undefined) latencies.push(performance.now() - at);
    sent.delete(title);
  });
  for (let n = 0; n < count; n += 1) {
    await meanwhile(n);
    const title = `Message ${n} ${performance.now()}`;
    sent.set(title, performance.now());
    await sql`insert into public.push_notifications (user_id, title) values (${userId}, ${title})`;
    await delay(NEIGHBOUR_EVERY_MS);
  }
  await eventually(
    () => sent.size,
    (waiting) => waiting === 0,
    20_000,
  ).catch(() => undefined);
  if (typeof stop === 'function') stop();
  for (const at of sent.values()) latencies.push(performance.now() - at);
  return latencies.sort((a, b) => a - b);
}

const inWords = (name: string, latencies: number[]) =>
  `${name}: p50 ${Math.round(latencies[Math.floor(latencies.length / 2)] as number)} ms, slowest ${Math.round(latencies.at(-1) as number)} ms`;

test('five accounts whose hundred alerts each fire every second delay nobody, and are told how often that was', async () => {
  const [neighbour] = await createRecipients(sql, stack.pushService, 1);
  const attackers = await createAttackers();
  await recordQuotes(sql, [{ symbol: 'DAX', value: 99 }], new Date());
  const every = 1000 / NEIGHBOUR_EVERY_MS;

  await latenciesOf(neighbour, 3, async () => {});
  const without = await latenciesOf(neighbour, QUOTES * every, async () => {});
  let recording = 0;
  const within = await latenciesOf(neighbour, QUOTES * every, async (n) => {
    if (n % every !== 0) return;
    const started = performance.now();
    const { fired } = await recordQuotes(
      sql,
      [{ symbol: 'DAX', value: n % (2 * every) ? 99 : 101 }],
      new Date(),
    );
    recording = Math.max(recording, performance.now() - started);
    expect(fired).toBe(ACCOUNTS * ALERTS);
  });
  const [made] = await sql`
    select count(*)::int as deliveries from push.deliveries as d
    join public.push_notifications as n on n.id = d.notification_id where n.user_id = any (${attackers})`;
  console.log(inWords('without', without), '|', inWords('with', within));
  console.log(`slowest quote ${Math.round(recording)} ms, ${made?.deliveries} deliveries of the attackers`);
  expect(within.at(-1)).toBeLessThan((without.at(-1) as number) + 1000);
}, 90_000);

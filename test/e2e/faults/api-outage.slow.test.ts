import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { type GatedFunctions, startGatedFunctions } from '../../support/gated-functions.ts';
import { duplicates, settle } from '../../support/impatient.ts';
import { createRecipients, deliveryStates } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

const OUTAGE_MS = 30_000;

let stack: Stack;
let sql: postgres.Sql;
let gated: GatedFunctions;

beforeAll(async () => {
  stack = await startMigratedStack({ workers: { cron: false }, functions: false });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  gated = await startGatedFunctions(stack, sql);
});

afterAll(async () => {
  await sql?.end();
  await gated?.stop();
  await stack?.stop();
});

test('an API that hangs and then refuses, for 30 s in all, loses nothing and costs no duplicate', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 10);
  const received = () => stack.pushService.received.length;
  await sql`
    insert into public.push_notifications (user_id, title)
    select (${recipients.map(({ userId }) => userId)}::uuid[])[1 + n % 10], 'Message ' || n from generate_series(1, 1000) as n`;
  await eventually(received, (count) => count >= 50);
  const down = performance.now();
  const back = Promise.withResolvers<boolean>();
  // No answer in the first half, and what was asked is not done; then no connection. What was asked before is answered:
  // a claim whose answer is lost is another fault (killed-dispatcher.slow.test.ts).
  gated.gate = ({ stage }) =>
    stage === 'answered' || (performance.now() - down < OUTAGE_MS / 2 ? back.promise : false);
  // What was claimed goes out all the same.
  const claimed = () => sql`select from push.deliveries where claims > 0`;
  await eventually(claimed, (rows) => rows.length === received());
  const sentDuring = received();
  expect((await deliveryStates(sql)).sent ?? 0).toBeLessThan(sentDuring);
  // Thirty real seconds: what is tried is how long the real function is patient.
  await eventually(
    () => performance.now() - down,
    (elapsed) => elapsed >= OUTAGE_MS,
    OUTAGE_MS + 5000,
  );
  back.resolve(false);
  gated.reset();

  expect(await settle(sql, ['sent'])).toEqual({ sent: 1000 });
  const arrived = recipients.flatMap(({ device }) => device.messages.map(({ text }) => text));
  expect(new Set(arrived).size).toBe(1000);
  expect(duplicates(`API down for ${OUTAGE_MS / 1000} s, with ${sentDuring} sent by then`, arrived)).toBe(0);
  const leases = await sql`select max(failures) as failures from push.deliveries`;
  expect(leases[0], 'no lease was lost').toEqual({ failures: 0 });
}, 120_000);

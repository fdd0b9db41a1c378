import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { duplicates } from '../../support/impatient.ts';
import { createRecipients, deliveryStates } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

const DELIVERIES = 2000;

let stack: Stack;
let sql: postgres.Sql;
const summaries: { claimed: number }[] = [];

beforeAll(async () => {
  stack = await startMigratedStack({
    // Only the test rings.
    workers: { cron: false, net: false },
    functionProcesses: 2,
    onFunctionLog({ line }) {
      if (line.includes('"event":"dispatched"')) summaries.push(JSON.parse(line));
    },
  });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

test('two dispatchers, a process each, race through one backlog: each delivery is sent once', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 100);
  await sql`
    insert into public.push_notifications (user_id, title)
    select (${recipients.map(({ userId }) => userId)}::uuid[])[1 + n % 100], 'Message ' || n
    from generate_series(1, ${DELIVERIES}) as n`;
  const [secret] = await sql`
    select decrypted_secret as value from vault.decrypted_secrets where name = 'push_bell_secret'`;
  const url = `${stack.url}/functions/v1/push-dispatch`;
  const ring = async () => {
    const body = JSON.stringify({ dispatcher: randomUUID() });
    return (await fetch(url, { method: 'POST', headers: { 'x-push-bell': secret?.value }, body })).status;
  };
  // Requests take turns: both processes have built what they need before the race begins.
  await Promise.all([fetch(url), fetch(url)]);
  expect(await Promise.all([ring(), ring()])).toEqual([202, 202]);
  await eventually(
    () => summaries.length,
    (count) => count === 2,
    60_000,
  );

  expect(await deliveryStates(sql)).toEqual({ sent: DELIVERIES });
  const arrived = recipients.flatMap(({ device }) => device.messages.map(({ text }) => text));
  expect(duplicates('two dispatchers', arrived)).toBe(0);
  expect(arrived).toHaveLength(DELIVERIES);
  expect(stack.pushService.received).toHaveLength(DELIVERIES);
  expect(summaries.reduce((sum, { claimed }) => sum + claimed, 0)).toBe(DELIVERIES);
  for (const { claimed } of summaries) expect(claimed, 'both had a part in it').toBeGreaterThan(200);
});

import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { createRecipients, deliveryStates } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

let stack: Stack;
let sql: postgres.Sql;
const summaries: { claimed: number; handedOver: boolean }[] = [];

beforeAll(async () => {
  stack = await startMigratedStack({
    workers: { cron: false },
    secrets: { PUSH_DELIVERY_BUDGET: '100' },
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

test('a dispatcher whose budget is used up calls another one, until everything is sent', async () => {
  const [{ userId, device }] = await createRecipients(sql, stack.pushService, 1);
  await sql`
    insert into public.push_notifications (user_id, title) select ${userId}, 'Message ' || n from generate_series(1, 450) as n`;
  await eventually(
    () => deliveryStates(sql),
    (states) => states.sent === 450,
  );
  expect(new Set(device.messages.map((message) => message.text)).size).toBe(450);
  await eventually(
    () => summaries,
    (known) => known.reduce((sum, { claimed }) => sum + claimed, 0) === 450,
  );
  expect(summaries.filter((summary) => summary.handedOver)).toHaveLength(4);
  expect(Math.max(...summaries.map((summary) => summary.claimed))).toBe(100);
});

import postgres from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import { createRecipients } from '../../support/recipients.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ workers: { cron: false }, secrets: { PUSH_PADDING: '1024' } });

test('with PUSH_PADDING, messages of different lengths look the same on their way and arrive unchanged', async () => {
  const sql = postgres(stack().databaseUrl, { onnotice: () => {} });
  onTestFinished(() => sql.end());
  const [{ userId, device }] = await createRecipients(sql, stack().pushService, 1);
  const bodies = ['x'.repeat(1), 'x'.repeat(200), 'x'.repeat(500)];
  for (const body of bodies) await sql`select push.notify(${userId}::uuid, 'Hello', ${body})`;
  const messages = await device.waitForMessages(3);
  expect(
    messages.map(({ json }) => (json as { notification: { body: string } }).notification.body).sort(),
  ).toEqual(bodies);
  expect(stack().pushService.received.map(({ size }) => size)).toEqual([1024 + 103, 1024 + 103, 1024 + 103]);
});

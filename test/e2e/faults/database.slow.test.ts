import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { duplicates, makeImpatient, settle } from '../../support/impatient.ts';
import { createRecipients } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

let stack: Stack;
let sql: postgres.Sql;

beforeAll(async () => {
  stack = await startMigratedStack({ workers: { cron: false } });
  sql = postgres(stack.databaseUrl, { onnotice: () => {}, connect_timeout: 10 });
  await makeImpatient(sql);
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

test('a crash of Postgres in the middle of 1,000 deliveries loses none', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 20);
  stack.pushService.script(recipients[0].device.endpoint, [{ kind: 'accept', times: 20 }, { kind: 'hang' }]);
  await sql`
    insert into public.push_notifications (user_id, title)
    select (${recipients.map(({ userId }) => userId)}::uuid[])[1 + n % 20], 'Message ' || n from generate_series(1, 1000) as n`;
  await stack.pushService.waitFor(
    ({ url, status }) => url === recipients[0].device.endpoint && status === null,
    {
      timeoutMs: 30_000,
    },
  );
  await stack.crashDatabase();

  expect(await settle(sql, ['sent'])).toEqual({ sent: 1000 });
  const arrived = recipients.flatMap(({ device }) => device.messages.map(({ text }) => text));
  expect(new Set(arrived).size).toBe(1000);
  // The dispatcher outlived it, and reports what it had sent once Postgres is back.
  expect(duplicates('crash of Postgres', arrived)).toBe(0);
});

import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack } from '../../../src/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { createRecipients, deliveryStates } from '../../support/recipients.ts';

const RUNS = 10;
const DELIVERIES = 1000;

let stack: Stack;
let sql: postgres.Sql;

beforeAll(async () => {
  // Without pg_cron: the test ticks by itself, with a clock of its own.
  stack = await startStack({ workers: { cron: false } });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

test.each(Array.from({ length: RUNS }, (_, run) => run + 1))(
  'run %i: kill -9 of the function in the middle of 1,000 deliveries loses none of them',
  async () => {
    await sql`delete from public.push_notifications`;
    // A claim that was on its way when the last run's process died may have signed it in once more. In 20 seconds that
    // lease is over and the tick rings; this test has no tick of its own and does not wait for that.
    await sql`delete from push.dispatchers`;
    const recipients = await createRecipients(sql, stack.pushService, 50);
    // The tenth of its twenty messages gets no answer: so there is always one under way when the kill comes.
    stack.pushService.script(recipients[0].device.endpoint, [{ kind: 'accept', times: 9 }, { kind: 'hang' }]);
    const pid = stack.functions?.pid('push-dispatch');
    expect(pid).toBeTypeOf('number');

    await sql`
      insert into public.push_notifications (user_id, title)
      select (${recipients.map((recipient) => recipient.userId)}::uuid[])[1 + n % 50], 'Message ' || n
      from generate_series(1, ${DELIVERIES}) as n`;
    await stack.pushService.waitFor(
      ({ url, status }) => url === recipients[0].device.endpoint && status === null,
      { timeoutMs: 30_000 },
    );
    process.kill(pid as number, 'SIGKILL');
    await eventually(
      () => stack.functions?.pid('push-dispatch'),
      (now) => now !== undefined && now !== pid,
    );

    const states = await deliveryStates(sql);
    expect(states.sent ?? 0, 'the kill came before the end').toBeLessThan(DELIVERIES);
    expect(states.sending ?? 0, 'the kill came while deliveries were under way').toBeGreaterThan(0);

    // What the tick does when the leases are over, a minute and a half from now.
    const [tick] = await sql`select push.tick(clock_timestamp() + interval '90 seconds') as result`;
    expect(tick?.result).toMatchObject({ rung: true });
    // Reports that were on their way when the process died may still have been settled.
    expect(tick?.result.recovered).toBeGreaterThan(0);
    expect(tick?.result.recovered).toBeLessThanOrEqual(states.sending ?? 0);
    await eventually(
      () => deliveryStates(sql),
      (after) => after.sent === DELIVERIES,
    );

    const arrived = recipients.flatMap(({ device }) => device.messages.map((message) => message.text));
    expect(new Set(arrived).size).toBe(DELIVERIES);
  },
);

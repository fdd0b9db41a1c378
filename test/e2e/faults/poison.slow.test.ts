import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { duplicates } from '../../support/impatient.ts';
import { createRecipients, deliveryStates, type Recipient } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

const ATTEMPTS = 5;

let stack: Stack;
let sql: postgres.Sql;

beforeAll(async () => {
  stack = await startMigratedStack({ workers: { cron: false } });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  await sql`update push.settings set max_attempts = ${ATTEMPTS}`;
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

afterEach(async () => {
  await sql`delete from public.push_notifications`;
});

/**
 * Ticks until that delivery has its end. Where all there is to do is to wait, the clock of what waits is put forward
 * to the next moment at which something is due.
 */
async function untilFinished(
  userId: string,
): Promise<{ state: string; failures: number; last_code: string }> {
  return (await eventually(
    async () => {
      await sql`
        update push.queue set due_at = due_at - greatest(ahead.gap, interval '0')
        from (
          select min(due_at) - clock_timestamp() as gap from push.deliveries where state = 'queued'
          having not exists (select from push.deliveries where state = 'sending')
        ) as ahead
        where lease_until is null`;
      await sql`select push.forget_starts()`;
      await sql`select push.tick()`;
      const [row] = await sql`
        select d.state, d.failures, d.last_code, d.last_error from push.deliveries as d
        join public.push_notifications as n on n.id = d.notification_id where n.user_id = ${userId}`;
      return row;
    },
    (row) => row !== undefined && row.state !== 'queued' && row.state !== 'sending',
    90_000,
  )) as never;
}

const notify = (recipients: Recipient[]) => sql`
  insert into public.push_notifications (user_id, title)
  select unnest(${recipients.map(({ userId }) => userId)}::uuid[]), 'Hello'`;

const arrivals = (recipients: Recipient[]) =>
  recipients.flatMap(({ userId, device }) => device.messages.map(() => userId));

test('one that ends its dispatcher each time is given up, and those beside it arrive', async () => {
  const [poison, ...others] = await createRecipients(sql, stack.pushService, 11);
  // What a function is ended for by its platform (memory, CPU) happens while this one is on its way.
  stack.pushService.script(poison.device.endpoint, { kind: 'hang', times: ATTEMPTS });
  let kills = 0;
  const killing = (async () => {
    while (kills < ATTEMPTS) {
      await stack.pushService.waitFor(({ url }) => url === poison.device.endpoint, {
        count: kills + 1,
        timeoutMs: 60_000,
      });
      const pid = stack.functions?.pid('push-dispatch') as number;
      process.kill(pid, 'SIGKILL');
      kills++;
      await eventually(
        () => stack.functions?.pid('push-dispatch'),
        (now) => now !== undefined && now !== pid,
      );
      // What happens a minute later: its leases are over.
      await sql`update push.queue set lease_until = clock_timestamp() where lease_until is not null`;
      await sql`select push.forget_starts()`;
      await sql`update push.dispatchers set lease_until = clock_timestamp()`;
    }
  })();
  await notify([poison, ...others]);

  expect(await untilFinished(poison.userId)).toMatchObject({
    state: 'failed',
    failures: ATTEMPTS,
    last_code: 'lease_lost',
  });
  await killing;
  expect(await deliveryStates(sql)).toEqual({ failed: 1, sent: others.length });
  const arrived = arrivals(others);
  expect(new Set(arrived).size).toBe(others.length);
  duplicates(`poison that ended ${kills} dispatchers, beside ${others.length} others`, arrived);
});

test('one that cannot be read is given up, those claimed together with it arrive once, and nothing is paused', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 11);
  const [poison, ...others] = recipients;
  await sql`update push.hosts set last_success_at = null`;
  await sql.begin(async (t) => {
    await t`
      insert into public.push_notifications (user_id, title)
      select unnest(${recipients.map(({ userId }) => userId)}::uuid[]), 'Hello'`;
    // Past the checks, as only the owner of the database can.
    await t`alter table public.push_notifications disable trigger user`;
    await t`update public.push_notifications set urgency = 'extreme' where user_id = ${poison.userId}`;
    await t`alter table public.push_notifications enable trigger user`;
  });

  expect(await untilFinished(poison.userId)).toMatchObject({
    state: 'failed',
    failures: ATTEMPTS,
    last_code: 'delivery_unreadable',
    last_error: expect.stringMatching(/urgency/),
  });
  expect(await deliveryStates(sql)).toEqual({ failed: 1, sent: others.length });
  expect(duplicates('poison that cannot be read', arrivals(others))).toBe(0);
  expect(arrivals(recipients)).toHaveLength(others.length);
  const hosts = await sql`select from push.hosts where paused_at is not null or evidence is not null`;
  expect(hosts).toHaveLength(0);
});

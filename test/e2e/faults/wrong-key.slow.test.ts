import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { openAlarms } from '../../support/bell.ts';
import { eventually } from '../../support/eventually.ts';
import { closeCircuits } from '../../support/queue.ts';
import { createRecipients, deliveryStates, type Recipient } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

// With the settings that ship, and pg_cron's own tick.
let stack: Stack;
let sql: postgres.Sql;

beforeAll(async () => {
  stack = await startMigratedStack();
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

afterEach(async () => {
  stack.pushService.script('all', []);
  await sql`delete from auth.users`;
  await sql`delete from push.alarms`;
  await closeCircuits(sql);
});

const notifyAll = (recipients: Recipient[]) => sql`
  insert into public.push_notifications (user_id, title)
  select id, 'Hello' from unnest(${recipients.map(({ userId }) => userId)}::uuid[]) as id`;

test.each([
  ['whose devices have all had messages before', true],
  ['that never sent anything', false],
])(
  'a project with three devices, %s, is told within a minute that its key is wrong, and loses nothing',
  async (_what, before) => {
    const recipients = await createRecipients(sql, stack.pushService, 3);
    let had = 0;
    if (before) {
      await notifyAll(recipients);
      await Promise.all(recipients.map(({ device }) => device.waitForMessages(1)));
      // Reports are settled together, a quarter of a second later.
      await eventually(
        () => deliveryStates(sql),
        ({ sent }) => sent === 3,
      );
      had = 1;
    }
    stack.pushService.script('all', { kind: 'status', status: 403, times: Number.POSITIVE_INFINITY });
    const started = performance.now();
    await notifyAll(recipients);
    await eventually(
      () => openAlarms(sql),
      (alarms) => alarms.includes('vapid_refused'),
      60_000,
    );
    console.log(`Told after ${Math.round(performance.now() - started)} ms.`);
    const paused =
      await sql`select from push.hosts where origin = ${stack.pushServiceUrl} and paused_at is not null`;
    expect(paused).toHaveLength(1);

    stack.pushService.script('all', []);
    const repaired = performance.now();
    await Promise.all(recipients.map(({ device }) => device.waitForMessages(had + 1, { timeoutMs: 90_000 })));
    console.log(`Everything there ${Math.round(performance.now() - repaired)} ms after the repair.`);
    expect(
      await eventually(
        () => deliveryStates(sql),
        (states) => states.sent === 3 * (had + 1),
      ),
    ).toEqual({
      sent: 3 * (had + 1),
    });
    expect(await openAlarms(sql)).toEqual([]);
  },
  180_000,
);

test('twenty apps of another Firebase project hold up no app of ours, and raise no alarm', async () => {
  const install = async (count: number, project?: string) => {
    const userId = randomUUID();
    const devices = Array.from({ length: count }, () =>
      stack.fcm.createDevice(project === undefined ? {} : { project }),
    );
    await sql`insert into auth.users ${sql({ id: userId })}`;
    await sql`insert into public.push_subscriptions ${sql(
      devices.map(({ token }) => ({ user_id: userId, channel: 'fcm', fcm_token: token })),
    )}`;
    return { userId, devices };
  };
  const known = await install(1);
  await sql`select push.notify(${known.userId}::uuid, 'Hello')`;
  await known.devices[0]?.next();
  await eventually(
    () => deliveryStates(sql),
    ({ sent }) => sent === 1,
  );

  const foreign = await install(20, 'another-project');
  const honest = await install(1);
  for (let n = 0; n < 5; n++) await sql`select push.notify(${foreign.userId}::uuid, 'Mine')`;
  await eventually(
    () => sql`select from push.deliveries where last_code = 'fcm_sender_mismatch'`,
    (refused) => refused.length >= 20,
  );
  const started = performance.now();
  await sql`select push.notify(${honest.userId}::uuid, 'Hello')`;
  await honest.devices[0]?.next({ timeoutMs: 5000 });
  console.log(`Beside them: ${Math.round(performance.now() - started)} ms.`);
  expect(await openAlarms(sql)).toEqual([]);
  const states = await deliveryStates(sql);
  expect(states.failed ?? 0).toBe(0);
  expect(await sql`select from public.push_subscriptions where user_id = ${foreign.userId}`).toHaveLength(20);
});

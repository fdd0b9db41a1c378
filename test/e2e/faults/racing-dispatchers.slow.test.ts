import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { duplicates } from '../../support/impatient.ts';
import { createRecipients, deliveryStates, type Recipient } from '../../support/recipients.ts';
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

const ring = async () => {
  const [secret] = await sql`
    select decrypted_secret as value from vault.decrypted_secrets where name = 'push_bell_secret'`;
  const body = JSON.stringify({ dispatcher: randomUUID() });
  const headers = { 'x-push-bell': secret?.value };
  const answer = await fetch(`${stack.url}/functions/v1/push-dispatch`, { method: 'POST', headers, body });
  return answer.status;
};
const dispatched = (count: number) =>
  eventually(
    () => summaries.length,
    (ended) => ended === count,
    60_000,
  );
const notifyAll = (recipients: Recipient[], count: number) => sql`
  insert into public.push_notifications (user_id, title)
  select (${recipients.map(({ userId }) => userId)}::uuid[])[1 + n % ${recipients.length}::int], 'Message ' || n
  from generate_series(1, ${count}::int) as n`;
const arrivedAt = (recipients: Recipient[]) =>
  recipients.flatMap(({ device }) => device.messages.map(({ text }) => text));

beforeEach(async () => {
  await sql`delete from auth.users`;
  await sql`delete from push.dispatchers`;
  summaries.length = 0;
  const url = `${stack.url}/functions/v1/push-dispatch`;
  // Requests take turns: both processes have built what they need before the race begins.
  await Promise.all([fetch(url), fetch(url)]);
});

test('two dispatchers, a process each, race through one backlog under an open snapshot: each delivery is sent once', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 100);
  await notifyAll(recipients, DELIVERIES);
  const before = stack.pushService.received.length;
  const snapshot = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    // As a pg_dump that goes on for long: no dead row may be removed, nor a part of the log be emptied.
    await snapshot`begin isolation level repeatable read`;
    expect(await deliveryStates(snapshot)).toEqual({ queued: DELIVERIES });
    expect(await Promise.all([ring(), ring()])).toEqual([202, 202]);
    await dispatched(2);
    expect(
      await sql`select push.clean(p_now => clock_timestamp() + interval '40 days') as counts`,
    ).toMatchObject([{ counts: { log_parts: 0 } }]);
    expect(await deliveryStates(snapshot)).toEqual({ queued: DELIVERIES });
  } finally {
    await snapshot.end({ timeout: 0 });
  }

  expect(await deliveryStates(sql)).toEqual({ sent: DELIVERIES });
  const arrived = arrivedAt(recipients);
  expect(duplicates('two dispatchers', arrived)).toBe(0);
  expect(arrived).toHaveLength(DELIVERIES);
  expect(stack.pushService.received.length - before).toBe(DELIVERIES);
  expect(summaries.reduce((sum, { claimed }) => sum + claimed, 0)).toBe(DELIVERIES);
  for (const { claimed } of summaries) expect(claimed, 'both had a part in it').toBeGreaterThan(200);
});

test('of two dispatchers one is killed: the other goes on, and only what was under way comes a second time', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 100);
  await notifyAll(recipients, DELIVERIES);
  // Slow answers: at any moment each of them has something under way.
  stack.pushService.script('all', {
    kind: 'accept',
    answer: { afterMs: 500 },
    times: Number.POSITIVE_INFINITY,
  });
  const pid = stack.functions?.pid('push-dispatch') as number;
  expect(await Promise.all([ring(), ring()])).toEqual([202, 202]);
  await eventually(
    () =>
      sql`select from push.queue where lease_until is not null group by dispatcher_id having count(*) > 50`,
    ({ length }) => length === 2,
  );
  process.kill(pid, 'SIGKILL');
  stack.pushService.script('all', []);
  await dispatched(1);

  const underWay = await sql<{ id: string }[]>`
    select notification_id as id from push.deliveries where state = 'sending'`;
  expect(underWay.length).toBeGreaterThan(0);
  // Its leases are over: what happens a minute later.
  await sql`update push.queue set lease_until = clock_timestamp() where lease_until is not null`;
  await sql`select push.forget_starts()`;
  await sql`delete from push.dispatchers`;
  await sql`select push.recover_leases(clock_timestamp())`;
  expect(await ring()).toBe(202);
  await dispatched(2);

  expect(await deliveryStates(sql)).toEqual({ sent: DELIVERIES });
  const arrived = arrivedAt(recipients).map(
    (text) => JSON.parse(text ?? '').notification.data.supapush.notification_id,
  );
  expect(new Set(arrived).size).toBe(DELIVERIES);
  const twice = arrived.filter((id, at) => arrived.indexOf(id) !== at);
  expect(underWay.map(({ id }) => id)).toEqual(expect.arrayContaining(twice));
  expect(new Set(twice).size, 'none came three times').toBe(twice.length);
  duplicates('one of two dispatchers was killed', arrived);
});

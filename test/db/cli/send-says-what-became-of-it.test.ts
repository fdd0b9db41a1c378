import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { command } from '../../../src/cli/send.ts';
import { called } from '../../support/command.ts';
import { createUser } from '../../support/postgres.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

interface Report {
  notification: string;
  status: string;
  deliveries: { device: string; state: string; code: string | null; why: string | null }[];
}

async function send(...args: string[]) {
  const { text, exitCode } = await called(command, ...args, '--database-url', db().url, '--json');
  return { ...(JSON.parse(text) as Report), exitCode };
}

/** Reports every delivery of the queue as this, as a dispatcher does. */
async function report(outcome: object): Promise<number> {
  const { sql } = db();
  const [claim] = await sql<{ answer: { deliveries: { delivery_id: number; claim_number: number }[] } }[]>`
    select public.push_claim(${randomUUID()}, 100, p_protocol => 1) as answer`;
  const outcomes = (claim?.answer.deliveries ?? []).map(({ delivery_id, claim_number }) => ({
    delivery_id,
    claim_number,
    ...outcome,
  }));
  await sql`select public.push_complete(${sql.json(outcomes as never)})`;
  return outcomes.length;
}

/** What `send` says when a dispatcher has come meanwhile. */
async function sendAndReport(outcome: object, ...args: string[]) {
  const sending = send(...args, '--wait', '60');
  let reported = 0;
  while (reported === 0) reported = await report(outcome);
  return await sending;
}

test('a user by e-mail address: it waits until every device was sent it', async () => {
  const { sql } = db();
  const user = await createUser(sql, { email: `Anna.${randomUUID()}@Example.com` });
  const id = await subscribe(sql, user.id, { device_name: 'Firefox' });
  const sent = await sendAndReport(
    { outcome: 'sent', status: 201 },
    user.email.toLowerCase(),
    '--title',
    'Hello',
  );
  expect(sent).toMatchObject({
    exitCode: 0,
    status: 'queued',
    deliveries: [{ device: id, name: 'Firefox', state: 'sent', why: null }],
  });
  const [row] =
    await sql`select title, user_id from public.push_notifications where id = ${sent.notification}`;
  expect(row).toEqual({ title: 'Hello', user_id: user.id });
});

test('what the push service refuses is said, exit code 1', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const refused = { outcome: 'failed', status: 400, code: 'rejected', message: 'bad request' };
  expect(await sendAndReport(refused, user.id, '--title', 'Hello')).toMatchObject({
    exitCode: 1,
    deliveries: [
      { state: 'failed', code: 'rejected', why: 'rejected: the push service answered 400: bad request' },
    ],
  });
});

test('one device gets it alone', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const id = await subscribe(sql, user.id);
  const sent = await send('--device', id, '--title', 'Hello', '--wait', '0');
  expect(sent).toMatchObject({ exitCode: 0, deliveries: [{ device: id, state: 'queued' }] });
  const rows =
    await sql`select subscription_id from push.deliveries where notification_id = ${sent.notification}`;
  expect(rows).toEqual([{ subscription_id: id }]);
  await report({ outcome: 'sent', status: 201 });
});

test('one device gets it alone, or it is not sent: an earlier message and what is for later keep their devices', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id);
  const id = await subscribe(sql, user.id);
  await sql`select push.define_digest('gathered', interval '1 hour', 'What is new')`;
  const [earlier] = await sql<{ id: string }[]>`
    select public.push_notify(${user.id}, '{"title": "Hello", "idempotency_key": "once"}') as id`;
  const later = new Date(Date.now() + 3_600_000).toISOString();
  for (const more of [{ idempotency_key: 'once' }, { send_at: later }, { digest_key: 'gathered' }]) {
    const message = JSON.stringify({ title: 'Hello', ...more });
    await expect(send('--device', id, '--message', message, '--wait', '0'), message).rejects.toMatchObject({
      code: 'usage',
    });
  }
  const [left] = await sql`
    select (select count(*)::int from public.push_notifications where user_id = ${user.id}) as messages,
      (select count(*)::int from push.deliveries where notification_id = ${earlier?.id ?? null}) as deliveries`;
  expect(left).toEqual({ messages: 1, deliveries: 2 });
  const sent = await send(
    '--device',
    id,
    '--message',
    JSON.stringify({ title: 'Hello', send_at: new Date(Date.now() - 1000).toISOString() }),
    '--wait',
    '0',
  );
  expect(sent.deliveries).toMatchObject([{ device: id }]);
  await report({ outcome: 'sent', status: 201 });
});

test('nothing is waited for that cannot come in time', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  expect(await send(user.id, '--title', 'Hello', '--wait', '60')).toMatchObject({
    exitCode: 1,
    deliveries: [],
  });
  await subscribe(sql, user.id);
  await sql`insert into public.push_preferences ${sql({ user_id: user.id, enabled: false })}`;
  expect(await send(user.id, '--title', 'Hello', '--wait', '60')).toMatchObject({
    exitCode: 1,
    deliveries: [{ state: 'suppressed', code: 'disabled', why: expect.stringContaining('switched') }],
  });
  await sql`
    update public.push_preferences set enabled = true, timezone = 'UTC',
      quiet_from = (now() at time zone 'UTC' - interval '1 hour')::time(0),
      quiet_until = (now() at time zone 'UTC' + interval '2 hours')::time(0)
    where user_id = ${user.id}`;
  expect(await send(user.id, '--title', 'Hello', '--wait', '60')).toMatchObject({
    exitCode: 1,
    deliveries: [
      { state: 'queued', code: 'quiet_hours', why: expect.stringMatching(/quiet hours.*until 20/) },
    ],
  });
});

test('when the time is over, it says what holds it', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  await subscribe(sql, user.id, { device_name: 'Firefox' });
  await sql`select push.pause('wrong prices')`;
  const { text, exitCode } = await called(
    command,
    ...[user.email, '--title', 'Hello', '--wait', '0.1', '--database-url', db().url],
  );
  await sql`select push.resume(interval '0')`;
  expect(exitCode).toBe(1);
  expect(text.split('\n').slice(1)).toEqual([
    '  Firefox  webpush  queued  the project is paused: wrong prices',
    'After 0.1 seconds not all of it was sent. What is wrong: npm run doctor',
  ]);
});

test.each([
  ['--wait', 'soon'],
  ['--wait', '4000'],
])('%s %s is called wrongly', async (...args) => {
  await expect(send('a@example.com', '--title', 'x', ...args)).rejects.toMatchObject({ code: 'usage' });
});

test('an address of two accounts is not guessed at', async () => {
  const email = `two.${randomUUID()}@example.com`;
  await db().sql`
    insert into auth.users (id, email, is_sso_user) values (${randomUUID()}, ${email}, true), (${randomUUID()}, ${email}, true)`;
  await expect(send(email, '--title', 'x')).rejects.toThrow(/Several users/);
});

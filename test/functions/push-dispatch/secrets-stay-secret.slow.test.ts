import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import webpush from 'web-push';
import { type ScriptedAnswer, startPushService } from '../../../tools/local/push-service/push-service.ts';
import { eventually } from '../../support/eventually.ts';
import { closeCircuits } from '../../support/queue.ts';
import { createRecipients } from '../../support/recipients.ts';
import { useStack } from '../../support/stack.ts';

const keys = webpush.generateVAPIDKeys();
const stack = useStack({
  workers: { cron: false },
  secrets: { VAPID_PUBLIC_KEY: keys.publicKey, VAPID_PRIVATE_KEY: keys.privateKey },
});

let sql: postgres.Sql;
beforeAll(() => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
});
afterAll(() => sql?.end());

test('a run with failures of every kind writes no secret into a log, an answer or a row', async () => {
  const { pushService, url } = stack();
  const [vault] =
    await sql`select decrypted_secret from vault.decrypted_secrets where name = 'push_bell_secret'`;
  const bellSecret: string = vault?.decrypted_secret;

  // What push services say, with the capability itself in it, as some do; what the network does; and success.
  const statuses = [400, 401, 403, 404, 410, 413, 429, 500];
  const answers: ((endpoint: string) => ScriptedAnswer)[] = [
    () => ({ kind: 'accept' }),
    ...statuses.map(
      (status) =>
        (endpoint: string): ScriptedAnswer => ({
          kind: 'status',
          status,
          body: JSON.stringify({ message: `Refused: ${endpoint}`, encoded: encodeURIComponent(endpoint) }),
        }),
    ),
    () => ({ kind: 'reset', times: 5 }),
    (endpoint) => ({ kind: 'redirect', location: `${endpoint}-elsewhere` }),
  ];
  const recipients = await createRecipients(sql, pushService, answers.length + 2);
  for (const [index, answer] of answers.entries()) {
    const endpoint = recipients[index]?.device.endpoint ?? '';
    pushService.script(endpoint, answer(endpoint));
  }
  // The stack tells its database of another key than the one this test gave to the function.
  await sql`update public.push_subscriptions set vapid_key = ${keys.publicKey}`;
  const [unreachable, foreign] = recipients.slice(answers.length);
  const closed = await startPushService();
  const unreachableEndpoint = closed.createDevice().endpoint;
  await closed.stop();
  await sql`insert into push.hosts (origin) values (${closed.origin})`;
  await sql`
    update public.push_subscriptions set endpoint = ${unreachableEndpoint}
    where id = ${unreachable?.subscriptionId ?? null}`;
  await sql`
    update public.push_subscriptions set vapid_key = ${webpush.generateVAPIDKeys().publicKey}
    where id = ${foreign?.subscriptionId ?? null}`;
  const subscriptions = await sql<{ endpoint: string; p256dh: string; auth: string }[]>`
    select endpoint, p256dh, auth from public.push_subscriptions`;
  expect(subscriptions).toHaveLength(recipients.length);

  // What is said of each first; a retry, once it is due, may say something else.
  const codes = new Set<unknown>();
  // One after the other, with a circuit that is closed each time: the first 401s would pause the push service.
  for (const { userId, subscriptionId } of recipients) {
    await closeCircuits(sql);
    await sql`select push.notify(${userId}::uuid, 'Hello')`;
    const [delivery] = await eventually(
      () => sql`select state, last_code from push.deliveries where subscription_id = ${subscriptionId}`,
      ([row]) =>
        row !== undefined && row.state !== 'sending' && (row.state !== 'queued' || row.last_code !== null),
    );
    codes.add(delivery?.last_code);
  }
  const responses: string[] = [];
  for (const [headers, body] of [
    [{}, ''],
    [{ 'x-push-bell': `${bellSecret}x` }, ''],
    [{ 'x-push-bell': bellSecret }, 'no json'],
    [{ 'x-push-bell': bellSecret }, 'x'.repeat(2000)],
    [{ 'x-push-bell': bellSecret }, JSON.stringify({ dispatcher: randomUUID() })],
  ] as const) {
    const answer = await fetch(`${url}/functions/v1/push-dispatch`, { method: 'POST', headers, body });
    responses.push(`${answer.status} ${JSON.stringify([...answer.headers])} ${await answer.text()}`);
  }
  expect(responses.map((response) => response.slice(0, 3))).toEqual(['401', '401', '400', '413', '202']);
  await eventually(
    () => stack.log().filter((line) => line.includes('"event":"dispatched"')).length,
    (dispatched) => dispatched > 0,
  );

  const deliveries =
    await sql`select state, last_status, last_code, last_error from push.deliveries order by id`;
  // The run is worth something only if all of it happened.
  for (const code of [
    'subscription_gone',
    'vapid_refused',
    'throttled',
    'push_service_error',
    'payload_too_large',
    'push_service_refused',
    'redirected',
    'network_error',
    'vapid_key_unknown',
  ])
    expect(codes).toContain(code);
  expect(deliveries.some((row) => row.state === 'sent')).toBe(true);
  expect(deliveries.some((row) => String(row.last_error).includes('Refused: '))).toBe(true);

  const hosts = await sql`select * from push.hosts`;
  const alarms = await sql`select * from push.alarms`;
  expect(hosts.some((host) => host.last_error !== null)).toBe(true);
  const written = [
    ...stack.log(),
    ...responses,
    ...[deliveries, hosts, alarms].map((rows) => JSON.stringify(rows)),
  ].join('\n');

  const secrets = [bellSecret, keys.privateKey, stack().secretKey];
  for (const { endpoint, p256dh, auth } of subscriptions)
    secrets.push(endpoint.split('/').at(-1) ?? '', p256dh, auth);
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(15);
    expect(written).not.toContain(secret);
  }
  // Tokens sign for us for hours.
  expect(written).not.toMatch(/eyJ[\w-]+\.eyJ[\w-]+\./);
});

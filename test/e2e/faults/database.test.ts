import { randomUUID } from 'node:crypto';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import webpush from 'web-push';
import { createPushDispatch } from '../../../src/functions/push-dispatch.ts';
import { type Stack, startStack } from '../../../src/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { duplicates, makeImpatient, settle } from '../../support/impatient.ts';
import { createRecipients, deliveryStates } from '../../support/recipients.ts';

let stack: Stack;
let sql: postgres.Sql;

beforeAll(async () => {
  stack = await startStack({ workers: { cron: false } });
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

/** Stands between the function and the API, and can be switched off. */
function startSwitch(target: string): Promise<{ url: string; server: Server; on: boolean }> {
  return new Promise((resolve) => {
    const state = { url: '', on: true, server: undefined as unknown as Server };
    state.server = createServer((incoming, outgoing) => {
      if (!state.on) {
        incoming.socket.destroy();
        return;
      }
      const { method, headers, url } = incoming;
      const forwarded = request(new URL(url ?? '/', target), { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      forwarded.on('error', () => outgoing.destroy());
      incoming.pipe(forwarded);
    });
    state.server.listen(0, '127.0.0.1', () => {
      state.url = `http://127.0.0.1:${(state.server.address() as AddressInfo).port}`;
      resolve(state);
    });
  });
}

test('an API that is down while deliveries are sent costs no duplicate: reports wait for it', async () => {
  await sql`delete from public.push_notifications`;
  const api = await startSwitch(stack.url);
  const keys = webpush.generateVAPIDKeys();
  const running: Promise<unknown>[] = [];
  const handler = createPushDispatch({
    environment: {
      SUPABASE_URL: api.url,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: stack.secretKey }),
      VAPID_PUBLIC_KEY: keys.publicKey,
      VAPID_PRIVATE_KEY: keys.privateKey,
      VAPID_SUBJECT: 'mailto:push@example.com',
      PUSH_BELL_SECRET: 'a-bell-secret-of-more-than-32-characters',
    },
    waitUntil: (work) => running.push(work),
    log: () => {},
    limited: false,
  });
  // The dispatcher of the test before lingers, and knows another key.
  await eventually(
    () => sql`select from push.dispatchers`,
    (rows) => rows.length === 0,
  );
  // Nobody else rings: this test's own dispatcher does all of it, with the key that the devices are made with.
  await sql`
    select push.connect('http://127.0.0.1:9', 'a-bell-secret-of-more-than-32-characters', ${keys.publicKey})`;
  const recipients = await createRecipients(sql, stack.pushService, 10);
  await sql`
    insert into public.push_notifications (user_id, title)
    select (${recipients.map(({ userId }) => userId)}::uuid[])[1 + n % 10], 'Message ' || n from generate_series(1, 300) as n`;
  const ring = () =>
    handler(
      new Request('http://localhost/push-dispatch', {
        method: 'POST',
        headers: { 'x-push-bell': 'a-bell-secret-of-more-than-32-characters' },
        body: JSON.stringify({ dispatcher: randomUUID() }),
      }),
    );
  const before = stack.pushService.received.length;
  expect((await ring()).status).toBe(202);
  await eventually(
    () => stack.pushService.received.length - before,
    (count) => count >= 150,
  );
  api.on = false;
  await eventually(
    () => stack.pushService.received.length - before,
    (count) => count >= 200,
  );
  const during = await deliveryStates(sql);
  expect(during.sent ?? 0).toBeLessThan(200);
  api.on = true;
  await Promise.all(running);
  await ring();
  await Promise.all(running);

  expect(await settle(sql, ['sent'])).toEqual({ sent: 300 });
  const arrived = recipients.flatMap(({ device }) => device.messages.map(({ text }) => text));
  expect(duplicates('API down', arrived)).toBe(0);
  api.server.close();
  api.server.closeAllConnections();
});

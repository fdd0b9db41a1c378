import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { createRecipients } from '../../support/recipients.ts';
import { useStack } from '../../support/stack.ts';

describe.each([
  ['is not set', '', 200, { status: 'ok' }, /FCM_SERVICE_ACCOUNT is not set/],
  [
    'is no service account',
    '{"type":"authorized_user","private_key":"a secret that was pasted here"}',
    503,
    { code: 'fcm_account_invalid', message: expect.stringMatching(/type must be "service_account"/) },
    /type must be "service_account"/,
  ],
])('while FCM_SERVICE_ACCOUNT %s', (_what, account, status, health, alarm) => {
  const stack = useStack({ workers: { cron: false }, secrets: { FCM_SERVICE_ACCOUNT: account } });

  test('messages to apps wait with an alarm, browsers get theirs, and nothing shows the account', async () => {
    const sql = postgres(stack().databaseUrl, { onnotice: () => {} });
    try {
      const [{ userId, device: browser }] = await createRecipients(sql, stack().pushService, 1);
      const app = stack().fcm.createDevice();
      await sql`insert into public.push_subscriptions ${sql({ user_id: userId, channel: 'fcm', fcm_token: app.token })}`;
      await sql`select push.notify(${userId}::uuid, 'Hello', p_idempotency_key => ${randomUUID()})`;

      await browser.next();
      const deliveries = await eventually(
        () => sql`select host, state, failures, last_code from push.deliveries order by host`,
        (rows) => rows.every(({ state, last_code }) => state === 'sent' || last_code !== null),
      );
      expect(deliveries.find(({ host }) => host === stack().fcm.baseUrl)).toMatchObject({
        state: 'queued',
        failures: 0,
        last_code: 'channel_not_configured',
      });
      const [raised] = await sql`select code, message from push.alarms where resolved_at is null`;
      expect(raised).toMatchObject({ code: 'fcm_misconfigured', message: expect.stringMatching(alarm) });
      expect(stack().fcm.received).toEqual([]);
      expect(await sql`select from public.push_subscriptions where channel = 'fcm'`).toHaveLength(1);

      const answer = await fetch(`${stack().url}/functions/v1/push-dispatch`);
      expect(answer.status).toBe(status);
      expect(await answer.json()).toMatchObject(health);
      expect(JSON.stringify([raised, stack.log()])).not.toContain('pasted');
    } finally {
      await sql.end();
    }
  });
});

import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type PushService, startPushService } from '../../../tools/local/push-service/push-service.ts';
import type { Stack } from '../../../tools/local/stack.ts';
import { openAlarms } from '../../support/bell.ts';
import { eventually } from '../../support/eventually.ts';
import { type GatedFunctions, startGatedFunctions } from '../../support/gated-functions.ts';
import { duplicates, makeImpatient, settle } from '../../support/impatient.ts';
import { closeCircuits } from '../../support/queue.ts';
import { createRecipients, deliveryStates } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const CLOCKS: [string, number][] = [
  ['ten minutes ahead', 10 * MINUTE],
  ['ten minutes behind', -10 * MINUTE],
  ['a day ahead', DAY],
  ['a day behind', -DAY],
];
const ENTRYPOINT = fileURLToPath(new URL('../../support/function-with-wrong-clock.ts', import.meta.url));

let stack: Stack;
let other: PushService;
let sql: postgres.Sql;
let off = 0;

beforeAll(async () => {
  [stack, other] = await Promise.all([
    startMigratedStack({ workers: { cron: false }, functions: false }),
    startPushService({ now: () => Date.now() + off }),
  ]);
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  await makeImpatient(sql);
  await sql`insert into push.hosts (origin) values (${other.origin})`;
});

afterAll(async () => {
  await sql?.end();
  await Promise.all([stack?.stop(), other?.stop()]);
});

beforeEach(async () => {
  off = 0;
  await sql`delete from auth.users`;
  await sql`delete from push.dispatchers`;
  await sql`delete from push.alarms`;
  await closeCircuits(sql);
});

async function withFunction(
  clockOffBy: number,
  work: (gated: GatedFunctions) => Promise<void>,
): Promise<void> {
  const secrets = { CLOCK_OFF_BY_MS: String(clockOffBy) };
  const gated = await startGatedFunctions(stack, sql, { entrypoint: ENTRYPOINT, secrets });
  try {
    await work(gated);
  } finally {
    await gated.stop();
  }
}

describe('a function whose clock is', () => {
  test.each(CLOCKS)('%s delivers at once, signed and timed right', async (_, clockOffBy) => {
    await withFunction(clockOffBy, async () => {
      const before = stack.pushService.received.length;
      const [{ userId, device }] = await createRecipients(sql, stack.pushService, 1);
      const app = stack.fcm.createDevice();
      await sql`insert into public.push_subscriptions
        ${sql({ id: randomUUID(), user_id: userId, channel: 'fcm', fcm_token: app.token })}`;
      // Come back in a second, by the clock of the push service.
      stack.pushService.script(device.endpoint, {
        kind: 'status',
        status: 503,
        retryAfter: new Date(Date.now() + 1000).toUTCString(),
      });
      await sql`select push.notify(${userId}::uuid, 'Hello', p_ttl => 600)`;

      expect(await settle(sql, ['sent'], 20_000)).toEqual({ sent: 2 });
      expect(await openAlarms(sql)).toEqual([]);
      const requests = stack.pushService.received.slice(before);
      expect(requests.map(({ status, refusal }) => [status, refusal])).toEqual([
        [503, null],
        [201, null],
      ]);
      for (const ttl of requests.map((request) => request.ttl ?? 600)) {
        expect(ttl).toBeLessThanOrEqual(600);
        expect(ttl).toBeGreaterThan(540);
      }
      // Apple is told a moment, not a length: it must be one of the real time.
      const until = Number(app.messages[0]?.apns?.headers?.['apns-expiration']) * 1000;
      expect(Math.abs(until - (Date.now() + 600_000))).toBeLessThan(2 * MINUTE);
      const [times] = await sql`
        select bool_and(d.finished_at between d.created_at and clock_timestamp()) as finished,
          bool_and(s.last_used_at between d.created_at and clock_timestamp()) as used
        from push.deliveries as d join public.push_subscriptions as s on s.id = d.subscription_id`;
      expect(times).toEqual({ finished: true, used: true });
    });
  });
});

describe('a push service and its devices whose clock is', () => {
  test.each(CLOCKS.slice(0, 2))('%s get their messages', async (_, clockOffBy) => {
    off = clockOffBy;
    await withFunction(0, async () => {
      const [{ userId, device }] = await createRecipients(sql, other, 1);
      await sql`select push.notify(${userId}::uuid, 'Hello', p_ttl => 600)`;
      expect(await settle(sql, ['sent'], 20_000)).toEqual({ sent: 1 });
      expect(device.messages).toHaveLength(1);
    });
  });

  test.each(CLOCKS.slice(2))(
    '%s are paused with an alarm, and get everything once when it is right again',
    async (_, clockOffBy) => {
      off = clockOffBy;
      await withFunction(0, async () => {
        const recipients = await createRecipients(sql, other, 5);
        await sql`
        insert into public.push_notifications (user_id, title)
        select unnest(${recipients.map(({ userId }) => userId)}::uuid[]), 'Hello'`;
        await eventually(
          () => openAlarms(sql),
          (alarms) => alarms.includes('vapid_refused'),
        );
        expect((await deliveryStates(sql)).sent).toBeUndefined();
        const [counted] = await sql`select max(failures) as failures from push.deliveries`;
        expect(counted, 'no attempt is used up').toEqual({ failures: 0 });
        off = 0;
        expect(await settle(sql, ['sent'], 20_000)).toEqual({ sent: 5 });
        expect(await openAlarms(sql)).toEqual([]);
        const arrived = recipients.flatMap(({ userId, device }) => device.messages.map(() => userId));
        expect(duplicates('clock of a push service a day off', arrived)).toBe(0);
        expect(await sql`select from public.push_subscriptions`).toHaveLength(5);
      });
    },
  );
});

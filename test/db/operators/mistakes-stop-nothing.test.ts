import { beforeEach, describe, expect, test } from 'vitest';
import { openAlarms } from '../../support/bell.ts';
import {
  claimOne,
  clearQueue,
  complete,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { withSessions } from '../../support/sessions.ts';
import { createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

describe('settings', () => {
  const settings = async () => (await db().sql`select * from push.settings`)[0];
  const set = (change: string) => db().sql.unsafe(`update push.settings set ${change}`);

  test.each([
    'delete from push.settings',
    'truncate push.settings',
    'delete from push.cleaning',
    'truncate push.cleaning',
    'truncate push.hosts cascade',
  ])('%s is refused, and says what to do', async (statement) => {
    const before = await settings();
    expect(await refusalOf(db().sql.unsafe(statement))).toMatchObject({
      sqlstate: 'PT409',
      code: 'row_needed',
      hint: expect.stringMatching(/update/),
    });
    expect(await settings()).toEqual(before);
  });

  test.each([
    [`delivery_lease = '0'`, 'delivery_lease = 00:00:00'],
    [`delivery_lease = 'infinity'`, 'delivery_lease = infinity'],
    [`dispatcher_lease = '10 years'`, 'dispatcher_lease = 10 years'],
    [`call_lease = '-1 second'`, 'call_lease = -00:00:01'],
    [`backoff_base = '2 hours'`, 'backoff_base = 02:00:00'],
    [`backoff_max = '1 year'`, 'backoff_max = 1 year'],
    [`retry_after_max = '1 month'`, 'retry_after_max = 1 mon'],
    [`probe_every = '2 days'`, 'probe_every = 2 days'],
    ['default_ttl = -1', 'default_ttl = -1'],
    ['max_attempts = 0', 'max_attempts = 0'],
    ['max_dispatchers = 0', 'max_dispatchers = 0'],
    ['circuit_failures = 0, max_dispatchers = 0', 'circuit_failures = 0'],
    ['fan_out_chunk = 0', 'fan_out_chunk = 0'],
    [`keep_deliveries = '1 minute'`, 'keep_deliveries = 00:01:00'],
    [`health_success_rate = 'NaN'`, 'health_success_rate = NaN'],
    [`app_url = 'https://app.example.com/'`, 'app_url = https://app.example.com/'],
    [`vapid_public_key = 'BPriv'`, 'vapid_public_key = BPriv'],
    [`quiet_hours_pass = '{everything}'`, 'quiet_hours_pass = ["everything"]'],
    ['id = false', 'id = false'],
  ])('%s is refused, with what it was and what it may be', async (change, named) => {
    const before = await settings();
    const refusal = await refusalOf(set(change));
    expect(refusal).toMatchObject({ sqlstate: '23514', code: 'value_refused' });
    expect(refusal.message).toContain(named);
    expect(refusal.hint).toMatch(/\w{3}/);
    expect(await settings()).toEqual(before);
  });

  test.each([
    `delivery_lease = '5 minutes'`,
    `dispatcher_lease = '1 minute', call_lease = '1 minute'`,
    `backoff_base = '100 milliseconds', backoff_max = '1 day'`,
    `probe_every = '20 milliseconds', probe_backoff_max = '100 milliseconds', retry_after_max = '1 second'`,
    `keep_notifications = '10 years'`,
    'app_url = null, vapid_public_key = null, daily_ceiling = null',
  ])('%s is a matter of taste', async (change) => {
    const { sql } = db();
    await sql
      .begin(async (t) => {
        expect(await t.unsafe(`update push.settings set ${change} returning 1`)).toHaveLength(1);
        throw new Error('undone');
      })
      .catch((error: Error) => expect(error.message).toBe('undone'));
  });
});

describe('a push service', () => {
  const ORIGIN = 'https://push.example.org';
  const endpoint = () => `${ORIGIN}/${createSubscription().auth}`;
  const remove = () => db().sql`delete from push.hosts where origin = ${ORIGIN}`;
  beforeEach(async () => {
    await remove();
    await db().sql`insert into push.hosts (origin) values (${ORIGIN})`;
  });

  test.each([
    'https://push.example.org/',
    'https://Push.example.org',
    'push.example.org',
    'http://push.example.org',
  ])('%s is refused with how it is written', async (origin) => {
    expect(await refusalOf(db().sql`insert into push.hosts (origin) values (${origin})`)).toMatchObject({
      sqlstate: '23514',
      message: expect.stringContaining(origin),
      hint: expect.stringMatching(/https:\/\//),
    });
  });

  test('that has devices is not deleted by mistake', async () => {
    const { deliveryId } = await queueOne(db().sql, { endpoint: endpoint() });
    expect(await refusalOf(remove())).toMatchObject({
      sqlstate: 'PT409',
      code: 'host_in_use',
      message: expect.stringContaining('1 devices'),
      hint: expect.stringMatching(/push\.pause.*push_subscriptions/),
    });
    expect((await readDelivery(db().sql, deliveryId)).state).toBe('queued');
  });

  test('that is deleted takes its alarms along, and leaves those of others', async () => {
    const { sql } = db();
    const now = startOfClock();
    await sql`select push.raise_host_alarm(${ORIGIN}, 'refused', 'no', ${now})`;
    await sql`select push.raise_host_alarm('https://fcm.googleapis.com', 'refused', 'no', ${now})`;
    await remove();
    const open = await sql`select subject from push.alarms where resolved_at is null`;
    expect([...open]).toEqual([{ subject: 'https://fcm.googleapis.com' }]);
  });

  test('that is renamed takes them along as well: what goes on is raised again', async () => {
    const { sql } = db();
    await sql`select push.raise_host_alarm(${ORIGIN}, 'refused', 'no', ${startOfClock()})`;
    await sql`update push.hosts set origin = 'https://other.example.org' where origin = ${ORIGIN}`;
    expect(await openAlarms(sql)).toEqual([]);
    await sql`delete from push.hosts where origin = 'https://other.example.org'`;
  });

  /** As when a device is deleted while another session holds the delivery: it stays in the queue. */
  async function leaveBehind(): Promise<string> {
    const { sql, url } = db();
    const { deliveryId, subscriptionId } = await queueOne(sql, { endpoint: endpoint() });
    await withSessions(url, 1, async (other) => {
      if (!other) throw new Error('a session');
      await other.sql`begin`;
      await other.sql`select from push.queue where id = ${deliveryId} for update`;
      await sql`delete from public.push_subscriptions where id = ${subscriptionId}`;
      await other.sql`rollback`;
    });
    expect((await readDelivery(sql, deliveryId)).state).toBe('queued');
    return deliveryId;
  }

  test('that is deleted ends what still waits there', async () => {
    const deliveryId = await leaveBehind();
    await remove();
    expect(await readDelivery(db().sql, deliveryId)).toMatchObject({
      state: 'cancelled',
      last_code: 'host_removed',
    });
  });

  test('that is deleted while something is under way: what comes back ends with the housekeeping', async () => {
    const { sql } = db();
    const { deliveryId, subscriptionId } = await queueOne(sql, { endpoint: endpoint() });
    const other = await queueOne(sql);
    const now = startOfClock();
    await sql`update push.hosts set max_in_flight = 1 where origin <> ${ORIGIN}`;
    await sql`update push.queue set due_at = ${plus(now, 60)} where id = ${other.deliveryId}`;
    const claimed = await claimOne(sql, now);
    expect(claimed.delivery_id).toBe(deliveryId);
    await sql`delete from public.push_subscriptions where id = ${subscriptionId}`;
    await remove();
    await complete(sql, now, [{ ...claimed, outcome: 'retry', status: 503 }]);
    expect((await readDelivery(sql, deliveryId)).state).toBe('queued');
    await sql`select push.clean(100, ${now})`;
    expect(await readDelivery(sql, deliveryId)).toMatchObject({
      state: 'cancelled',
      last_code: 'host_removed',
    });
    expect((await readDelivery(sql, other.deliveryId)).state).toBe('queued');
  });
});

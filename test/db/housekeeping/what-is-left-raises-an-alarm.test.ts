import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { clearQueue, notify, plus, startOfClock } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const db = useDatabase();
let start: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`delete from push.alarms`;
  await sql`delete from push.removed_devices`;
  await sql`delete from public.push_subscriptions`;
  start = startOfClock();
  await sql`
    update push.cleaning set next_subscription_id = default, devices_since = ${start}, devices_took = default, behind_since = default`;
});

const clean = async (now: Date, limit: number, forMs = 0) =>
  (await db().sql`select push.clean(${limit}, ${now}, ${`${forMs} milliseconds`}) as counts`)[0]?.counts;

interface Alarm {
  subject: string;
  message: string;
}
const alarms = async () => [
  ...(await db().sql<Alarm[]>`
    select subject, message from push.alarms where code = 'cleaning_behind' and resolved_at is null order by subject`),
];

/** Devices that were removed so long ago that they are due at the start of the clock. */
async function removeDevices(count: number): Promise<void> {
  const { sql } = db();
  const { id } = await createUser(sql);
  await sql`
    insert into push.removed_devices (address_digest, user_id, removed_at)
    select sha256(n::text::bytea), ${id}, ${plus(start, -400 * DAY)}::timestamptz - n * interval '1 second'
    from generate_series(1, ${count}::int) as n`;
}

test('what should have been gone for a day, an hour of cleaning long, is an alarm that says since when', async () => {
  await removeDevices(30);
  await clean(plus(start, 23 * HOUR), 2);
  await clean(plus(start, 25 * HOUR), 2);
  expect(await alarms()).toEqual([]);
  await clean(plus(start, 25 * HOUR + 3599), 2);
  expect(await alarms()).toEqual([]);
  const at = plus(start, 26 * HOUR);
  await clean(at, 2);
  // The oldest went first.
  const since = plus(start, -22).toISOString().slice(0, 16).replace('T', ' ');
  expect(await alarms()).toEqual([
    { subject: 'removed_devices', message: expect.stringContaining(`since ${since} UTC`) },
  ]);
  const [health] = await asService(db().sql, (t) => t`select public.push_health(${at}) as health`);
  expect(health?.health.reasons).toContainEqual({
    code: 'cleaning_behind',
    message: expect.stringContaining('(removed_devices)'),
  });

  await clean(plus(at, 60), 100);
  expect(await alarms()).toEqual([]);
});

test('what one run has left the next may take: an hour of being late begins anew', async () => {
  await removeDevices(4);
  await clean(plus(start, 2 * DAY), 2);
  await clean(plus(start, 2 * DAY + 60), 100);
  await removeDevices(4);
  await clean(plus(start, 3 * DAY), 2);
  expect(await alarms()).toEqual([]);
});

test('a clock that was set back lets it wait no longer than an hour from then', async () => {
  await removeDevices(30);
  await clean(plus(start, 10 * DAY), 1);
  await clean(plus(start, 2 * DAY), 1);
  await clean(plus(start, 2 * DAY + HOUR), 1);
  expect(await alarms()).toHaveLength(1);
});

test('a run goes on in chunks until nothing is left, or its time is over', async () => {
  await removeDevices(25);
  expect(await clean(plus(start, 1), 10)).toMatchObject({ removed_devices: 10 });
  expect(await clean(plus(start, 1), 4, 60_000)).toMatchObject({ removed_devices: 15 });
  expect(await clean(plus(start, 1), 4, 60_000)).toMatchObject({ removed_devices: 0 });
});

test('what others hold is no reason to go on', async () => {
  const { sql } = db();
  const { id } = await createUser(sql);
  const kept = await notify(sql, id);
  await sql`update public.push_notifications set created_at = ${start}, expires_at = ${start} where id = ${kept}`;
  await sql.begin(async (t) => {
    await t`select from public.push_notifications where id = ${kept} for update`;
    // A minute of trying would be longer than a test may take.
    expect(await clean(plus(start, 100 * DAY), 10, 600_000)).toMatchObject({ notifications: 0 });
  });
  expect(await clean(plus(start, 100 * DAY), 10, 600_000)).toMatchObject({ notifications: 1 });
});

test('a round through the devices that takes more than a day is an alarm, and one of less ends it', async () => {
  const { sql } = db();
  const { id } = await createUser(sql);
  await sql`
    insert into public.push_subscriptions ${sql(
      Array.from({ length: 5 }, (_, n) => ({
        user_id: id,
        channel: 'fcm',
        fcm_token: `${randomUUID()}-${n}-${'t'.repeat(100)}`,
      })),
    )}`;
  // One device a run, once in seven hours.
  for (let hours = 0; hours <= 28; hours += 7) await clean(plus(start, hours * HOUR), 10);
  await clean(plus(start, 29 * HOUR), 10);
  expect((await alarms()).map(({ subject }) => subject)).toEqual(['subscriptions']);
  // Late, a run walks on in its time: a whole round, and the next.
  await clean(plus(start, 30 * HOUR), 10, 60_000);
  expect(await alarms()).toEqual([]);
});

/** A row of each kind that is a day (receipts nine) and a minute late at `now`, by the kind's name. */
const LATE: Record<string, (now: Date) => Promise<unknown>> = {
  async notifications(now) {
    const { id } = await createUser(db().sql);
    const old = await notify(db().sql, id);
    const then = plus(now, -91 * DAY - 60);
    await db()
      .sql`update public.push_notifications set created_at = ${then}, expires_at = ${then} where id = ${old}`;
  },
  deliveries: (now) => db().sql`
    insert into push.delivery_log (id, notification_id, subscription_id, created_at, due_at, finished_at, host, state)
    select ((extract(epoch from t.at)::bigint - 1735689600) << 22) | 1, gen_random_uuid(), gen_random_uuid(), t.at, t.at, t.at, 'x', 'sent'
    from (values (${plus(now, -31 * DAY - 60)}::timestamptz)) as t (at)`,
  receipts: (now) => db().sql`
    insert into push.receipts (delivery_id, event, occurred_at, recorded_at)
    select 1, 'displayed', t.at, t.at from (values (${plus(now, -39 * DAY - 60)}::timestamptz)) as t (at)`,
  async removed_devices(now) {
    const { id } = await createUser(db().sql);
    await db().sql`
      insert into push.removed_devices (address_digest, user_id, removed_at)
      values (sha256('x'), ${id}, ${plus(now, -401 * DAY - 60)})`;
  },
  rule_errors: (now) => db().sql`
    insert into push.rule_errors (rule, event, sqlstate, message, occurred_at)
    values ('gone', 'insert', '00000', '', ${plus(now, -31 * DAY - 60)})`,
  reminder_errors: (now) => db().sql`
    insert into push.reminder_errors (reminder, sqlstate, message, occurred_at)
    values ('gone', '00000', '', ${plus(now, -31 * DAY - 60)})`,
  reminder_moments: (now) => db().sql`
    insert into push.reminder_moments (reminder, row_key, before, event_at, due_at, lapses_at, try_at, state, ended_at)
    select 'gone', '{}', '1 hour', t.at, t.at, t.at, t.at, 'sent', t.at
    from (values (${plus(now, -31 * DAY - 60)}::timestamptz)) as t (at)`,
  alarms: (now) => db().sql`
    insert into push.alarms (code, subject, message, raised_at, last_seen_at, resolved_at)
    select 'old', '', '', t.at, t.at, t.at from (values (${plus(now, -31 * DAY - 60)}::timestamptz)) as t (at)`,
  async limits(now) {
    const { id } = await createUser(db().sql);
    await db().sql`
      insert into push.throttle_log (user_id, category, done_at) values (${id}, 'x', ${plus(now, -DAY - 60)})`;
  },
  lists: (now) => db().sql`
    insert into push.fan_outs (message, recipients, started_at, finished_at)
    select '{}', 0, t.at, t.at from (values (${plus(now, -91 * DAY - 60)}::timestamptz)) as t (at)`,
  cron_runs: (now) => db().sql`
    insert into cron.job_run_details (jobid, runid, command, status, start_time, end_time)
    select 1, 1, (select command from push.jobs() where name = 'supapush-tick'), 'succeeded', t.at, t.at
    from (values (${plus(now, -4 * DAY - 60)}::timestamptz)) as t (at)`,
};

test.each(Object.keys(LATE))('%s that are late are found, and none once they are cleaned', async (kind) => {
  const { sql } = db();
  await sql`delete from cron.job_run_details`;
  await sql`update push.cleaning set last_cron_run = default`;
  const now = plus(start, 500 * DAY);
  await sql`update push.cleaning set devices_since = ${now}`;
  await LATE[kind]?.(now);
  const late = () => sql`
    select d.kind, ${now}::timestamptz - d.due_since > d.tolerated as late from push.cleaning_due(${now}) as d`;
  const tooLate = (found: Record<string, unknown>[]) =>
    found.filter(({ late }) => late).map(({ kind }) => kind);
  // Those of the inbox wait for their deliveries to leave the log.
  expect((await late()).map(({ kind }) => kind)).toEqual([kind]);
  expect(tooLate(await late())).toEqual([kind]);
  await clean(now, 100);
  expect([...(await late())]).toEqual([]);
});

import { beforeEach, expect, test } from 'vitest';
import { connectBell } from '../../support/bell.ts';
import { pause, resume } from '../../support/pauses.ts';
import { asService, createUser } from '../../support/postgres.ts';
import { createUserWhoPrefers, NIGHT, NIGHTS_IN_VIENNA, tellAt } from '../../support/preferences.ts';
import { claim, clearQueue, complete, notify, plus, queueOne, startOfClock } from '../../support/queue.ts';
import { FCM, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await connectBell(db().sql);
  await db().sql`update push.hosts set last_error_at = null, last_error = null`;
  await db().sql`delete from cron.job_run_details`;
  await ticked(startOfClock());
});

/** As if pg_cron had run the tick at that moment. */
async function ticked(at: Date): Promise<void> {
  await db().sql`
    insert into cron.job_run_details (jobid, runid, status, start_time, end_time)
    select jobid, (select coalesce(max(runid), 0) + 1 from cron.job_run_details), 'succeeded', ${at}, ${at}
    from cron.job where jobname = 'supapush-tick'`;
}

interface Health {
  healthy: boolean;
  reasons: { code: string }[];
  waiting: number;
  oldest_waiting_seconds: number;
  sending: number;
  recent: Record<string, number>;
  success_rate: number | null;
  errors: { code: string; host: string; count: number }[];
  hosts: { origin: string; circuit: string }[];
  dispatchers: number;
}

async function health(now: Date): Promise<Health> {
  const rows = await asService(
    db().sql,
    (t) => t<{ health: Health }[]>`select public.push_health(${now}) as health`,
  );
  return rows[0]?.health as Health;
}

const codes = ({ reasons }: Health) => reasons.map(({ code }) => code).sort();

test('with nothing to do it is healthy', async () => {
  expect(await health(startOfClock())).toMatchObject({
    healthy: true,
    reasons: [],
    waiting: 0,
    oldest_waiting_seconds: 0,
    success_rate: null,
    dispatchers: 0,
  });
});

test('it counts what waits, what is under way and who is at work', async () => {
  const { sql } = db();
  for (let n = 0; n < 5; n++) await queueOne(sql);
  const now = startOfClock();
  await claim(sql, now, { limit: 2 });
  const found = await health(plus(now, 10));
  expect(found).toMatchObject({ healthy: true, waiting: 3, sending: 2, dispatchers: 1 });
  expect(found.oldest_waiting_seconds).toBeGreaterThan(9);
});

test('a delivery that waits too long makes it unhealthy', async () => {
  const { sql } = db();
  await queueOne(sql);
  const later = plus(startOfClock(), 600);
  await ticked(later);
  expect(codes(await health(later))).toEqual(['backlog_old']);
});

test('many failures make it unhealthy, with the errors and where they came from', async () => {
  const { sql } = db();
  for (let n = 0; n < 20; n++) await queueOne(sql);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row, index) => ({
      ...row,
      ...(index < 15
        ? { outcome: 'sent' as const, status: 201 }
        : { outcome: 'failed' as const, status: 400, code: 'push_service_refused' }),
    })),
  );
  const found = await health(plus(now, 1));
  expect(codes(found)).toEqual(['success_rate_low']);
  expect(found).toMatchObject({
    success_rate: 0.75,
    recent: { sent: 15, failed: 5 },
    errors: [{ code: 'push_service_refused', host: FCM, count: 5 }],
  });
});

test('one user whose devices all fail makes no project unhealthy that reaches its other users', async () => {
  const { sql } = db();
  const failing = await createUser(sql);
  for (let n = 0; n < 20; n++) await subscribe(sql, failing.id);
  await notify(sql, failing.id);
  for (let n = 0; n < 15; n++) await queueOne(sql);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row) => ({
      ...row,
      ...(row.user_id === failing.id
        ? { outcome: 'failed' as const, status: 400, code: 'push_service_refused' }
        : { outcome: 'sent' as const, status: 201 }),
    })),
  );
  expect(await health(plus(now, 1))).toMatchObject({ healthy: true, recent: { sent: 15, failed: 20 } });
});

test('devices that are gone are no failure', async () => {
  const { sql } = db();
  for (let n = 0; n < 20; n++) await queueOne(sql);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row) => ({ ...row, outcome: 'gone' as const, status: 410 })),
  );
  expect(await health(plus(now, 1))).toMatchObject({
    healthy: true,
    recent: { gone: 20 },
    success_rate: null,
  });
});

test('an alarm that stands is a reason, and the open circuit is shown', async () => {
  const { sql } = db();
  for (let n = 0; n < 3; n++) await queueOne(sql);
  const now = startOfClock();
  const claimed = await claim(sql, now);
  await complete(
    sql,
    now,
    claimed.map((row) => ({ ...row, outcome: 'misconfigured' as const, status: 403 })),
  );
  const found = await health(plus(now, 1));
  expect(codes(found)).toEqual(['vapid_refused']);
  expect(found.hosts).toMatchObject([{ origin: FCM, circuit: 'open' }]);
});

test('a tick that does not run is a reason', async () => {
  expect(codes(await health(plus(startOfClock(), 121)))).toEqual(['tick_missing']);
  await db().sql`delete from cron.job_run_details`;
  expect(codes(await health(startOfClock()))).toEqual(['tick_missing']);
});

test('a job of which three runs in a row fail is a reason, until one does not', async () => {
  const { sql } = db();
  const now = startOfClock();
  const run = (status: string) => sql`
    insert into cron.job_run_details (jobid, runid, status, return_message, start_time, end_time)
    select jobid, (select max(runid) + 1 from cron.job_run_details), ${status}, 'ERROR: out of shared memory', ${now}, ${now}
    from cron.job where jobname = 'supapush-clean'`;
  await run('succeeded');
  for (const expected of [[], [], ['job_failing']]) {
    await run('failed');
    await run('running');
    expect(codes(await health(now))).toEqual(expected);
  }
  expect((await health(now)).reasons).toMatchObject([
    {
      message: expect.stringMatching(
        /supapush-clean failed: ERROR: out of shared memory\. Until one does not, old rows/,
      ),
    },
  ]);
  await run('succeeded');
  expect(codes(await health(now))).toEqual([]);
});

test('messages that did not outlast quiet hours are no failures', async () => {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, { ...NIGHTS_IN_VIENNA, quiet_until: '21:59' });
  for (let count = 0; count < 30; count += 1)
    await tellAt(sql, userId, NIGHT, { expiresAt: plus(NIGHT, 60) });
  await ticked(NIGHT);
  expect(await health(NIGHT)).toMatchObject({
    healthy: true,
    recent: { expired: 30 },
    success_rate: null,
    errors: [],
  });
});

test('a pause is a reason, in place of the backlog that it makes', async () => {
  const { sql } = db();
  await sql`insert into public.push_categories (key, title) values ('alerts', 'Alerts')`;
  for (let n = 0; n < 3; n++) await queueOne(sql);
  const now = startOfClock();
  await pause(sql, now, {}, 'wrong prices');
  await pause(sql, now, { category: 'alerts' }, 'too many');
  await pause(sql, now, { host: FCM }, 'their outage');
  const later = plus(now, 3600);
  await ticked(later);
  const found = await health(later);
  expect(codes(found)).toEqual(['paused', 'paused', 'paused']);
  expect(found).toMatchObject({
    healthy: false,
    waiting: 3,
    reasons: [
      {
        message: expect.stringMatching(
          /^Paused since .*: the whole project \(wrong prices\)\. 3 deliveries wait\./,
        ),
      },
      { message: expect.stringMatching(/: category alerts \(too many\)\. 0 deliveries wait\./) },
      { message: expect.stringContaining(`: ${FCM} (their outage). 3 deliveries wait.`) },
    ],
    pauses: [
      { category: null, host: null, reason: 'wrong prices', paused_at: expect.any(String), waiting: 3 },
      { category: 'alerts', reason: 'too many', waiting: 0 },
      { host: FCM, reason: 'their outage', waiting: 3 },
    ],
  });
});

test('what a pause leaves to be done is shown until it is done, and makes nothing unhealthy', async () => {
  const { sql } = db();
  for (let n = 0; n < 3; n++) await queueOne(sql);
  const now = startOfClock();
  await pause(sql, now);
  await sql.begin(async (t) => {
    await t`select pg_advisory_xact_lock(hashtextextended('supapush.pauses', 0))`;
    await resume(sql, now, { discardOlderThan: '0 seconds' });
  });
  const shown = await health(now);
  expect(codes(shown)).toEqual([]);
  expect(shown).toMatchObject({ pauses: [{ discard_before: expect.any(String), discarded: 0, waiting: 3 }] });
  await sql`select push.tick(${now})`;
  expect(await health(plus(now, 1))).toMatchObject({ healthy: true, pauses: [], recent: { cancelled: 3 } });
});

test('messages that did not outlast a pause are no failures', async () => {
  const { sql } = db();
  await sql`insert into public.push_categories (key, title) values ('alerts', 'Alerts') on conflict do nothing`;
  const { id } = await createUser(sql);
  await subscribe(sql, id);
  for (let n = 0; n < 20; n++) await notify(sql, id, { ttl: 60, category: 'alerts' });
  const now = startOfClock();
  for (const scope of [{}, { category: 'alerts' }]) {
    await pause(sql, now, scope);
    for (let n = 0; n < 20; n++) await notify(sql, id, { ttl: 60, category: 'alerts' });
    await sql`select push.tick(${plus(now, 120)})`;
    await resume(sql, plus(now, 121), scope);
  }
  await ticked(plus(now, 122));
  expect(await health(plus(now, 122))).toMatchObject({
    healthy: true,
    recent: { expired: 60 },
    success_rate: null,
  });
});

test('a rule that failed makes it unhealthy for an hour, with the errors by rule', async () => {
  const { sql } = db();
  const now = startOfClock();
  await sql`create table public.deals (id integer primary key, owner_id uuid, title text)`;
  await sql`select push.watch('deal_made', 'public.deals', 'new.owner_id', 'new.title')`;
  const { id } = await createUser(sql);
  await sql`insert into public.deals values (1, ${id}, ''), (2, ${id}, ''), (3, ${id}, 'fine')`;
  const found = await health(plus(now, 10));
  expect(codes(found)).toEqual(['rule_failed']);
  expect(found).toMatchObject({
    rule_errors: [
      {
        rule: 'deal_made',
        count: 2,
        last_error: 'A notification needs a title.',
        last_error_at: expect.any(String),
      },
    ],
  });
  const later = plus(now, 3700);
  await ticked(later);
  await sql`select push.check_rules(${later})`;
  expect(await health(later)).toMatchObject({ rule_errors: [] });
  expect(codes(await health(later))).not.toContain('rule_failed');
  await sql`select push.unwatch('deal_made')`;
  await sql`drop table public.deals`;
});

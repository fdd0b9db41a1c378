import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { clearAlerts, makeAlert, readAlert, recordQuotes } from '../../support/alerts.ts';
import { connectBell, countRings } from '../../support/bell.ts';
import { clearLimits, closeDigests, defineDigest, release, write } from '../../support/digests.ts';
import { asService, createUser } from '../../support/postgres.ts';
import { deliveriesOf, tellAt } from '../../support/preferences.ts';
import {
  claim,
  claimOne,
  clearQueue,
  closeCircuits,
  complete,
  notify,
  plus,
  queueOne,
  readDelivery,
} from '../../support/queue.ts';
import { clearQuotes, defineSource, planQuotes, reportQuotes, watchSymbols } from '../../support/quotes.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { throttle } from '../../support/throttles.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
/** The clock as it is, and as it was an hour ahead before it was set back. */
let now: Date;
let ahead: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await clearLimits(sql);
  await connectBell(sql);
  now = plus(new Date(), 1);
  ahead = plus(now, 3600);
});

async function tick(at: Date): Promise<Record<string, unknown>> {
  const [row] = await db().sql<{ result: Record<string, unknown> }[]>`select push.tick(${at}) as result`;
  return row?.result ?? {};
}

describe('deliveries', () => {
  test('what a dead dispatcher held is handed back after the length of a lease', async () => {
    const { sql } = db();
    const { deliveryId } = await queueOne(sql);
    await claimOne(sql, ahead);
    expect(await tick(now)).toMatchObject({ recovered: 0 });
    expect((await readDelivery(sql, deliveryId)).lease_until).toEqual(plus(now, 60));
    expect(await tick(plus(now, 59))).toMatchObject({ recovered: 0 });
    expect(await tick(plus(now, 60))).toMatchObject({ recovered: 1 });
    expect(await claim(sql, plus(now, 61))).toHaveLength(1);
  });

  test('what a live one sends meanwhile is not sent twice', async () => {
    const { sql } = db();
    await queueOne(sql);
    const claimed = await claimOne(sql, ahead);
    await tick(now);
    const { states } = await complete(sql, plus(now, 5), [{ ...claimed, outcome: 'sent', status: 201 }]);
    expect(states).toEqual({ sent: 1 });
    expect(await claim(sql, plus(now, 100))).toEqual([]);
  });

  test('a lease that the settings have shortened since is no sign of it', async () => {
    const { sql } = db();
    const { deliveryId } = await queueOne(sql);
    await claimOne(sql, now);
    await sql`update push.settings set delivery_lease = '10 seconds'`;
    expect(await tick(plus(now, 1))).toMatchObject({ recovered: 0 });
    expect((await readDelivery(sql, deliveryId)).lease_until).toEqual(plus(now, 60));
    await sql`update push.settings set delivery_lease = '60 seconds'`;
  });
});

describe('dispatchers', () => {
  test('one that died before keeps the bell from ringing no longer', async () => {
    const { sql } = db();
    await claim(sql, ahead, { limit: 0 });
    const { id } = await createUser(sql);
    await subscribe(sql, id);
    await notify(sql, id);
    expect(await countRings(sql)).toBe(1);
  });

  test('the tick forgets it, and calls another for what waits', async () => {
    const { sql } = db();
    await queueOne(sql);
    await sql`delete from push.dispatchers`;
    await claim(sql, ahead, { limit: 0, dispatcher: randomUUID() });
    expect(await tick(now)).toMatchObject({ rung: true });
    expect(await sql`select from push.dispatchers where lease_until > ${plus(now, 60)}`).toHaveLength(0);
  });
});

describe('pauses', () => {
  const HOST = 'https://fcm.googleapis.com';
  const pause = (at: Date) => db().sql`
    update push.hosts set paused_at = ${at}, probe_at = ${plus(at, 0.5)} where origin = ${HOST}`;
  const probeAt = async () =>
    (await db().sql`select probe_at from push.hosts where origin = ${HOST}`)[0]?.probe_at;

  test('one that began then is probed now', async () => {
    await pause(ahead);
    await tick(now);
    expect(await probeAt()).toEqual(now);
  });

  test('one that began now goes on', async () => {
    await pause(now);
    await tick(now);
    expect(await probeAt()).toEqual(plus(now, 0.5));
    await closeCircuits(db().sql);
  });

  test('a device that failed then is tried now', async () => {
    const { sql } = db();
    const { subscriptionId, deliveryId } = await queueOne(sql);
    await sql`
      update public.push_subscriptions set failures = 1, failed_at = ${ahead}, retry_at = ${plus(ahead, 3600)}
      where id = ${subscriptionId}`;
    expect((await claim(sql, now)).map(({ delivery_id }) => delivery_id)).toContain(deliveryId);
  });
});

describe('quotes', () => {
  beforeEach(() => clearAlerts(db().sql));

  const read = async () =>
    (await db().sql`select value, quoted_at from public.push_quotes where symbol = 'DAX'`)[0];
  const say = (value: number, at: Date) => db().sql`select push.record_quote('DAX', ${value}, ${at})`;

  test('an application that says a value is not refused, and the value is the last', async () => {
    await say(1, ahead);
    await say(2, now);
    expect(await read()).toEqual({ value: 2, quoted_at: now });
    await say(3, now);
    expect((await read())?.value).toBe(3);
  });

  test('what is recorded then fires', async () => {
    const { sql } = db();
    const alert = await makeAlert(sql);
    await recordQuotes(sql, [{ symbol: 'DAX', value: 99 }], ahead);
    expect(await recordQuotes(sql, [{ symbol: 'DAX', value: 101 }], now)).toMatchObject({
      recorded: 1,
      fired: 1,
    });
    expect(await read()).toEqual({ value: 101, quoted_at: now });
    expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 1 });
    // From then on as always: what is late stays in the history.
    expect(
      await recordQuotes(sql, [{ symbol: 'DAX', value: 99, quoted_at: plus(now, -9) }], now),
    ).toMatchObject({
      ignored: { out_of_order: 1 },
    });
  });

  test('what the service writes directly replaces what is of the future', async () => {
    const { sql } = db();
    await recordQuotes(sql, [{ symbol: 'DAX', value: 99 }], ahead);
    await asService(sql, (t) => t`update public.push_quotes set value = 100 where symbol = 'DAX'`);
    await asService(
      sql,
      (t) => t`update public.push_quotes set value = 101, quoted_at = now() where symbol = 'DAX'`,
    );
    const row = await read();
    expect(row?.value).toBe(101);
    expect(row?.quoted_at.getTime()).toBeLessThan(plus(now, 60).getTime());
  });

  test('a cooldown that began then is over', async () => {
    const { sql } = db();
    await makeAlert(sql, { cooldown: '1 hour' });
    const at = async (value: number, moment: Date) =>
      (await recordQuotes(sql, [{ symbol: 'DAX', value }], moment)).fired;
    expect([await at(99, ahead), await at(101, plus(ahead, 1))]).toEqual([0, 1]);
    expect([await at(99, now), await at(101, plus(now, 1))]).toEqual([0, 1]);
    expect([await at(99, plus(now, 2)), await at(101, plus(now, 3))]).toEqual([0, 0]);
  });
});

describe('sources of quotes', () => {
  beforeEach(async () => {
    await clearQuotes(db().sql);
    await watchSymbols(db().sql, ['DAX']);
    await defineSource(db().sql, 'main', { every: '1 minute' });
  });
  const ring = async (at: Date) =>
    (await db().sql<{ rung: boolean }[]>`select push.ring_for_quotes(${at}) as rung`)[0]?.rung;

  test('one that was asked then is due', async () => {
    const { sql } = db();
    const [due] = await planQuotes(sql, ahead);
    await reportQuotes(sql, ahead, {
      source: 'main',
      lease: due?.lease ?? '',
      quotes: [{ symbol: 'DAX', value: 1 }],
    });
    expect(await ring(now)).toBe(true);
    expect(await planQuotes(sql, now)).toHaveLength(1);
  });

  test('one whose run was lost is asked again after the length of a lease', async () => {
    const { sql } = db();
    await planQuotes(sql, ahead);
    expect(await ring(now)).toBe(false);
    expect(await planQuotes(sql, now)).toEqual([]);
    expect(await planQuotes(sql, plus(now, 3599))).toHaveLength(1);
  });
});

test('a digest that was opened then lasts as long as any from now on', async () => {
  const { sql } = db();
  await defineDigest(sql, 'deals', { window: '10 minutes' });
  const { id } = await createUser(sql);
  await subscribe(sql, id);
  await write(sql, id, { digest_key: 'deals', send_at: ahead });
  await release(sql, ahead);
  await sql`select push.clean(100, ${now})`;
  expect(await closeDigests(sql, plus(now, 599))).toBe(0);
  expect(await closeDigests(sql, plus(now, 600))).toBe(1);
});

test('a throttle and the limit of tests forget what was sent then', async () => {
  const { sql } = db();
  await throttle(sql, 'deals', 1);
  const { id } = await createUser(sql);
  await subscribe(sql, id);
  const [before] = await tellAt(sql, id, ahead, { category: 'deals' });
  expect(before).toMatchObject({ state: 'queued' });
  const after = [await write(sql, id, { category: 'deals' }), await write(sql, id, { category: 'deals' })];
  const outcomes = await Promise.all(after.map(async (one) => (await deliveriesOf(sql, one))[0]?.last_code));
  expect(outcomes).toEqual([null, 'throttled']);

  for (let sent = 0; sent < 10; sent += 1) await sql`select push.send_test(${id}, null, ${ahead})`;
  for (let sent = 0; sent < 10; sent += 1) await sql`select push.send_test(${id}, null, ${now})`;
  await expect(sql`select push.send_test(${id}, null, ${now})`).rejects.toMatchObject({
    detail: 'too_many_tests',
  });
});

test('health tells of a tick that waits for the clock to come back to where it was', async () => {
  const { sql } = db();
  await sql`delete from cron.job_run_details`;
  await sql`
    insert into cron.job_run_details (jobid, runid, status, start_time, end_time)
    select jobid, 1, 'succeeded', ${ahead}, ${ahead} from cron.job where jobname = 'supapush-tick'`;
  const [row] = await sql`select public.push_health(${now}) as health`;
  expect(row?.health.reasons).toEqual([expect.objectContaining({ code: 'tick_missing' })]);
});

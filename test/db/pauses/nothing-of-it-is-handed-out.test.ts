import { beforeEach, describe, expect, test } from 'vitest';
import { pause, resume } from '../../support/pauses.ts';
import { createUser } from '../../support/postgres.ts';
import {
  claim,
  clearQueue,
  complete,
  notify,
  plus,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { untilBlocked, withSessions } from '../../support/sessions.ts';
import { createEndpoint, FCM, MOZILLA, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let userId: string;
let now: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`delete from public.push_categories`;
  await sql`
    insert into public.push_categories (key, title) values ('alerts', 'Alerts'), ('feed', 'Feed')`;
  userId = (await createUser(sql)).id;
  await subscribe(sql, userId);
  now = startOfClock();
});

const claimedTitles = async (at: Date) => (await claim(db().sql, at)).map(({ title }) => title).sort();
const deliveryOf = async (notificationId: string) => {
  const [row] = await db().sql<{ id: string }[]>`
    select id from push.deliveries where notification_id = ${notificationId}`;
  return readDelivery(db().sql, (row as { id: string }).id);
};
/** Whether it is behind everything that a claim reads. */
const isParked = async (notificationId: string) => {
  const [row] = await db().sql<{ parked: boolean }[]>`
    select due_at = 'infinity' and parked_by is not null as parked
    from push.deliveries where notification_id = ${notificationId}`;
  return row?.parked;
};

describe('while the project is paused', () => {
  test('neither what waited before nor what comes is handed out; afterwards both are', async () => {
    const { sql } = db();
    await notify(sql, userId, { title: 'Before' });
    expect(await pause(sql, now)).toMatchObject({
      category: null,
      host: null,
      reason: 'wrong prices',
      resumed_at: null,
      waiting: 1,
    });
    await notify(sql, userId, { title: 'Meanwhile' });
    expect(await claimedTitles(plus(now, 1))).toEqual([]);
    await resume(sql, plus(now, 2));
    expect(await claimedTitles(plus(now, 3))).toEqual(['Before', 'Meanwhile']);
  });

  test('the inbox has everything at once', async () => {
    const { sql } = db();
    await pause(sql, now);
    await notify(sql, userId, { title: 'Meanwhile' });
    const [row] = await sql`select title, status from public.push_notifications where user_id = ${userId}`;
    expect(row).toEqual({ title: 'Meanwhile', status: 'queued' });
  });

  test('scheduled messages are released, digests closed and reminders made; only nothing goes out', async () => {
    const { sql } = db();
    await sql`select push.define_digest('deals', '1 minute')`;
    await sql`create table public.bookings (id int primary key, starts_at timestamptz, guest_id uuid)`;
    await sql`
      select push.remind('soon', 'public.bookings', 'new.starts_at', '{1 minute}', 'new.guest_id', '''Soon''')`;
    await pause(sql, now);
    await notify(sql, userId, { title: 'Scheduled', sendAt: plus(now, 60) });
    await sql`select push.notify(${userId}, 'Item', p_digest_key => 'deals')`;
    await sql`insert into public.bookings values (1, ${plus(now, 120)}, ${userId})`;
    await sql`select push.tick(${plus(now, 61)})`;
    await sql`select push.tick(${plus(now, 62)})`;
    const rows = await sql`
      select n.title from push.deliveries as d join public.push_notifications as n on n.id = d.notification_id
      where d.state = 'queued' order by n.title`;
    expect(rows.map(({ title }) => title)).toEqual(['Item', 'Scheduled', 'Soon']);
    expect(await claimedTitles(plus(now, 63))).toEqual([]);
    await sql`select push.unremind('soon')`;
    await sql`drop table public.bookings`;
  });

  test('the pause waits for a claim that is under way, so that none comes after it', async () => {
    const { sql, url } = db();
    await notify(sql, userId, { title: 'First' });
    await withSessions(url, 2, async (dispatcher, operator) => {
      if (!dispatcher || !operator) throw new Error('two sessions');
      await dispatcher.sql`begin`;
      expect(await claim(dispatcher.sql, now)).toHaveLength(1);
      const paused = pause(operator.sql, now);
      await untilBlocked(sql, operator);
      await dispatcher.sql`commit`;
      await paused;
    });
    await notify(sql, userId);
    expect(await claimedTitles(plus(now, 1))).toEqual([]);
  });

  test('what a dispatcher holds already can still be reported', async () => {
    const { sql } = db();
    const id = await notify(sql, userId);
    const [claimed] = await claim(sql, now);
    await pause(sql, now);
    if (!claimed) throw new Error('claimed before');
    await complete(sql, plus(now, 1), [{ ...claimed, outcome: 'sent', status: 201 }]);
    expect((await deliveryOf(id)).state).toBe('sent');
  });

  test('a message that does not outlast it expires, and says that it was paused', async () => {
    const { sql } = db();
    const id = await notify(sql, userId, { ttl: 60 });
    await pause(sql, now);
    await sql`select push.tick(${plus(now, 120)})`;
    expect(await deliveryOf(id)).toMatchObject({ state: 'expired', last_code: 'paused' });
  });
});

describe('while a push service is paused', () => {
  test('the others go on', async () => {
    const { sql } = db();
    await subscribe(sql, userId, { endpoint: createEndpoint(MOZILLA) });
    await notify(sql, userId);
    await pause(sql, now, { host: FCM });
    await notify(sql, userId);
    expect((await claim(sql, plus(now, 1))).map(({ host }) => host)).toEqual([MOZILLA, MOZILLA]);
    await resume(sql, plus(now, 2), { host: FCM });
    expect((await claim(sql, plus(now, 3))).map(({ host }) => host)).toEqual([FCM, FCM]);
  });

  test('its pause follows when it is renamed', async () => {
    const { sql } = db();
    await notify(sql, userId);
    await pause(sql, now, { host: FCM });
    await sql`update push.hosts set origin = 'http://127.0.0.1:4812' where origin = ${FCM}`;
    try {
      expect(await claimedTitles(plus(now, 1))).toEqual([]);
      await resume(sql, plus(now, 2), { host: 'http://127.0.0.1:4812' });
      expect(await claimedTitles(plus(now, 3))).toEqual(['Hello']);
    } finally {
      await sql`update push.hosts set origin = ${FCM} where origin = 'http://127.0.0.1:4812'`;
    }
  });
});

describe('while a category is paused', () => {
  test('nothing of it or below it is handed out, and everything else is', async () => {
    const { sql } = db();
    const write = async (when: string) => {
      for (const category of ['alerts', 'alerts:DAX', 'alertsandmore', 'feed'])
        await notify(sql, userId, { title: `${when} ${category}`, category });
      await notify(sql, userId, { title: `${when} none` });
    };
    await write('before');
    await pause(sql, now, { category: 'alerts' });
    await write('meanwhile');
    expect(await claimedTitles(plus(now, 1))).toEqual([
      'before alertsandmore',
      'before feed',
      'before none',
      'meanwhile alertsandmore',
      'meanwhile feed',
      'meanwhile none',
    ]);
    expect(await claimedTitles(plus(now, 2))).toEqual([]);
    await resume(sql, plus(now, 3), { category: 'alerts' });
    expect(await claimedTitles(plus(now, 4))).toEqual([
      'before alerts',
      'before alerts:DAX',
      'meanwhile alerts',
      'meanwhile alerts:DAX',
    ]);
  });

  test('a category below a paused one stays paused when only its own pause ends', async () => {
    const { sql } = db();
    await notify(sql, userId, { title: 'DAX', category: 'alerts:DAX' });
    await pause(sql, now, { category: 'alerts:DAX' });
    await pause(sql, now, { category: 'alerts' });
    await resume(sql, plus(now, 1), { category: 'alerts:DAX' });
    expect(await claimedTitles(plus(now, 2))).toEqual([]);
    expect(await claimedTitles(plus(now, 3))).toEqual([]);
    await resume(sql, plus(now, 4), { category: 'alerts' });
    expect(await claimedTitles(plus(now, 5))).toEqual(['DAX']);
  });

  test('a delivery is put aside with its moment, and gets it back', async () => {
    const { sql } = db();
    const id = await notify(sql, userId, { category: 'alerts' });
    const before = await deliveryOf(id);
    await pause(sql, now, { category: 'alerts' });
    expect(await deliveryOf(id)).toMatchObject({
      state: 'queued',
      last_code: 'paused',
      parked_due_at: before.due_at,
    });
    expect(await isParked(id)).toBe(true);
    await resume(sql, plus(now, 1), { category: 'alerts' });
    expect(await deliveryOf(id)).toEqual(before);
  });

  test('one that was sent after all, though its claim was lost and it was put aside, has its moment in the log', async () => {
    const { sql } = db();
    const id = await notify(sql, userId, { category: 'alerts' });
    const [claimed] = await claim(sql, now);
    if (!claimed) throw new Error('claimed before');
    const before = await deliveryOf(id);
    await sql`update push.queue set lease_until = null, last_code = 'lease_lost' where notification_id = ${id}`;
    await pause(sql, now, { category: 'alerts' });
    await claim(sql, plus(now, 1));
    expect(await isParked(id)).toBe(true);
    await complete(sql, plus(now, 2), [{ ...claimed, outcome: 'sent', status: 201 }]);
    expect(await deliveryOf(id)).toMatchObject({ state: 'sent', due_at: before.due_at });
  });

  test('one whose pause ends just as it is put aside is not put aside', async () => {
    const { sql } = db();
    const id = await notify(sql, userId, { category: 'alerts' });
    await sql
      .begin(async (t) => {
        // The look finds the pause, the write does not.
        await t.unsafe(`
        create or replace function push.is_category_paused(p_category text) returns boolean
        language sql stable set search_path = '' as $$ select true $$`);
        await t`select push.park(q.id, q.notification_id) from push.queue as q where q.notification_id = ${id}`;
        const [row] = await t`select isfinite(due_at) as waits from push.queue where notification_id = ${id}`;
        expect(row?.waits).toBe(true);
        throw new Error('rolled back');
      })
      .catch((error: Error) => {
        if (error.message !== 'rolled back') throw error;
      });
  });

  test('what failed before and comes back meanwhile waits as well, and keeps count of its failures', async () => {
    const { sql } = db();
    const id = await notify(sql, userId, { category: 'alerts' });
    const [claimed] = await claim(sql, now);
    if (!claimed) throw new Error('claimed before');
    await pause(sql, now, { category: 'alerts' });
    await complete(sql, now, [{ ...claimed, outcome: 'retry', status: 503 }]);
    expect(await claimedTitles(plus(now, 60))).toEqual([]);
    await resume(sql, plus(now, 61), { category: 'alerts' });
    expect(await deliveryOf(id)).toMatchObject({ failures: 1, claims: 1 });
    expect((await claim(sql, plus(now, 62)))[0]?.claim_number).toBe(2);
  });

  test('a late report of the dispatcher that lost it still counts', async () => {
    const { sql } = db();
    const id = await notify(sql, userId, { category: 'alerts' });
    const [claimed] = await claim(sql, now);
    if (!claimed) throw new Error('claimed before');
    await sql`select push.recover_leases(${plus(now, 61)})`;
    await pause(sql, plus(now, 62), { category: 'alerts' });
    expect(await isParked(id)).toBe(true);
    await complete(sql, plus(now, 63), [{ ...claimed, outcome: 'sent', status: 201 }]);
    expect((await deliveryOf(id)).state).toBe('sent');
  });

  test('what is put aside expires, is cancelled, and goes with its device, as anything that waits', async () => {
    const { sql } = db();
    const expiring = await notify(sql, userId, { ttl: 60, category: 'alerts' });
    const cancelled = await notify(sql, userId, { category: 'alerts' });
    const deviceless = await notify(sql, userId, { category: 'alerts' });
    await pause(sql, now, { category: 'alerts' });
    await sql`select push.cancel(${cancelled})`;
    await sql`select push.tick(${plus(now, 120)})`;
    await sql`delete from public.push_subscriptions where user_id = ${userId}`;
    expect(await deliveryOf(expiring)).toMatchObject({ state: 'expired', last_code: 'paused' });
    expect((await deliveryOf(cancelled)).state).toBe('cancelled');
    expect(await deliveryOf(deviceless)).toMatchObject({
      state: 'cancelled',
      last_code: 'subscription_deleted',
    });
    await resume(sql, plus(now, 121), { category: 'alerts' });
    expect(await claimedTitles(plus(now, 122))).toEqual([]);
  });

  test('what is written in a transaction that ends after the pause is not lost', async () => {
    const { sql } = db();
    await pause(sql, now, { category: 'alerts' });
    let written = '';
    await sql.begin(async (t) => {
      written = await notify(t, userId, { title: 'Late', category: 'alerts' });
      await resume(sql, plus(now, 1), { category: 'alerts' });
      await sql`select push.tick(${plus(now, 2)})`;
    });
    expect(await isParked(written)).toBe(true);
    await sql`select push.tick(${plus(now, 7200)})`;
    expect(await isParked(written)).toBe(false);
    expect(await claimedTitles(plus(now, 7201))).toEqual(['Late']);
  });
});

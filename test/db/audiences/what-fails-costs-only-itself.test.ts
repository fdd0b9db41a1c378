import { beforeEach, expect, test } from 'vitest';
import { connectBell, openAlarms } from '../../support/bell.ts';
import { createRefusal, readFanOut, refuse } from '../../support/lists.ts';
import { clearQueue, plus, setSetting, startOfClock } from '../../support/queue.ts';
import { untilBlocked, withSessions } from '../../support/sessions.ts';
import { createTopic, fanOut, fanOutAll, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let userIds: string[];
let topic: string;
let now: Date;

beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  await setSetting(sql, 'notify_at_once', 5);
  await setSetting(sql, 'max_attempts', 10);
  await sql`delete from push.fan_outs`;
  await sql`delete from push.fan_out_recipients`;
  await createRefusal(sql);
  ({ topic, userIds } = await createTopic(sql, 24));
  now = startOfClock();
});

const notifyList = () => db().sql`select push.notify_many(${userIds}::uuid[], 'Hello')`;

async function notified(): Promise<string[]> {
  const rows = await db().sql<{ user_id: string }[]>`
    select user_id from public.push_notifications where user_id = any (${userIds}::uuid[]) order by user_id`;
  return rows.map(({ user_id }) => user_id);
}

async function hasWork(at: Date): Promise<boolean> {
  const [row] = await db().sql<{ work: boolean }[]>`select push.has_work(${at}) as work`;
  return row?.work ?? false;
}

async function alarm(): Promise<string> {
  const [row] = await db().sql<{ message: string }[]>`
    select message from push.alarms where code = 'fan_out_failed' and resolved_at is null`;
  return row?.message ?? '';
}

test.each([
  ['an error', 'P0001'],
  ['a failed assertion', 'P0004'],
])(
  'a user for whom it fails with %s is left out and counted; the others are notified',
  async (_, sqlstate) => {
    const { sql } = db();
    const bad = [userIds[4], userIds[5], userIds[17]] as string[];
    await refuse(sql, bad, sqlstate);
    await notifyList();
    await fanOutAll(sql, 10, now);
    expect(await notified()).toEqual(userIds.filter((id) => !bad.includes(id)));
    expect(await readFanOut(sql)).toMatchObject({
      members: 21,
      deliveries: 21,
      failed: 3,
      finished_at: expect.any(Date),
      stopped: null,
      last_error: 'no such tenant',
    });
    const message = await alarm();
    expect(message).toContain('leaves out those for whom it fails: no such tenant');
    // Users leave; alarms stay for a while.
    expect(userIds.filter((id) => message.includes(id))).toEqual([]);
  },
);

test('a member for whom it fails is left out as well', async () => {
  const { sql } = db();
  const id = await notifyTopic(sql, topic);
  await sql.unsafe(`
    create function public.refuse_device() returns trigger language plpgsql as $$
    begin
      if new.subscription_id = (select id from public.push_subscriptions order by user_id offset 6 limit 1) then
        raise exception 'no such device';
      end if;
      return new;
    end $$;
    create trigger refuse_device before insert on push.queue for each row execute function public.refuse_device();
  `);
  await fanOutAll(sql, 10, now);
  await sql`drop function public.refuse_device() cascade`;
  expect(await sql`select from push.deliveries where notification_id = ${id}`).toHaveLength(23);
  expect(await readFanOut(sql)).toMatchObject({ members: 23, failed: 1, finished_at: expect.any(Date) });
  expect(await alarm()).toContain('no such device');
});

test('what fails for every user is put off longer each time, calls no dispatcher meanwhile, and goes on when it can', async () => {
  const { sql } = db();
  await refuse(sql, userIds);
  await notifyList();
  expect(await fanOut(sql, 10, now)).toBe(false);
  const first = await readFanOut(sql);
  expect(first).toMatchObject({ members: 0, failed: 0, failures: 1, finished_at: null });
  expect(await hasWork(now)).toBe(false);
  expect(await fanOut(sql, 10, now)).toBe(false);
  expect((await readFanOut(sql)).failures).toBe(1);
  expect(await openAlarms(sql)).toEqual(['fan_out_failed']);

  // A moment later: JavaScript knows no microseconds.
  const then = plus(first.next_at, 1);
  expect(await hasWork(then)).toBe(true);
  await fanOut(sql, 10, then);
  await fanOut(sql, 10, plus((await readFanOut(sql)).next_at, 1));
  const third = await readFanOut(sql);
  expect(third.failures).toBe(3);
  expect(third.next_at.getTime() - then.getTime()).toBeGreaterThan(first.next_at.getTime() - now.getTime());

  await sql`delete from public.refused`;
  await fanOutAll(sql, 10, plus(third.next_at, 1));
  expect(await notified()).toEqual(userIds);
  expect(await readFanOut(sql)).toMatchObject({ failed: 0, failures: 0, stopped: null });
  expect(await openAlarms(sql)).toEqual([]);
});

test('what was put off before the clock was set back is tried at once', async () => {
  const { sql } = db();
  await refuse(sql, userIds);
  await notifyList();
  await fanOut(sql, 10, plus(now, 7 * 86_400));
  expect(await hasWork(plus(now, 7 * 86_400))).toBe(false);
  expect(await hasWork(now)).toBe(true);
  await sql`delete from public.refused`;
  await fanOutAll(sql, 10, now);
  expect(await notified()).toEqual(userIds);
});

test('after as many failures as a delivery may have it is given up, and the alarm says so', async () => {
  const { sql } = db();
  await setSetting(sql, 'max_attempts', 4);
  await notifyList();
  await fanOut(sql, 10, now);
  await refuse(sql, userIds);
  for (let attempt = 0; attempt < 4; attempt += 1) {
    now = plus(now, 3600);
    expect(await fanOut(sql, 10, now)).toBe(false);
  }
  expect(await readFanOut(sql)).toMatchObject({
    members: 10,
    failed: 0,
    finished_at: now,
    stopped: 'given_up',
    last_error: 'no such tenant',
  });
  expect(await alarm()).toContain('given up after 4 failures, with 10 recipients served: no such tenant');
  await sql`delete from push.queue`;
  expect(await hasWork(plus(now, 7200))).toBe(false);
});

test('a bad user who is all that is left is left out after some attempts', async () => {
  const { sql } = db();
  await refuse(sql, userIds.slice(-1));
  await notifyList();
  await fanOutAll(sql, 23, now);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    now = plus(now, 3600);
    await fanOut(sql, 23, now);
  }
  expect(await readFanOut(sql)).toMatchObject({ members: 23, failed: 1, finished_at: now, stopped: null });
});

test('a chunk that statement_timeout ends is halved until it fits, and grows again', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create function public.be_slow() returns trigger language plpgsql as $$
    begin
      if (select count(*) from push_written) > 5 then
        raise exception using errcode = 'query_canceled', message = 'canceling statement due to statement timeout';
      end if;
      return null;
    end $$;
    create trigger be_slow after insert on public.push_notifications
    referencing new table as push_written for each statement execute function public.be_slow();
  `);
  await notifyList();
  const sizes: number[] = [];
  for (let members = 0; members < userIds.length; ) {
    expect(await fanOut(sql, 24, now)).toBe(true);
    const { members: served } = await readFanOut(sql);
    sizes.push(served - members);
    members = served;
  }
  await sql`drop function public.be_slow() cascade`;
  expect(sizes).toEqual([0, 0, 0, 3, 4, 5, 0, 3, 4, 5]);
  expect(await notified()).toEqual(userIds);
  expect(await readFanOut(sql)).toMatchObject({ failed: 0, stopped: null });
  expect(await openAlarms(sql)).toEqual([]);
});

test('a user who alone is too slow is left out after some attempts', async () => {
  const { sql } = db();
  await refuse(sql, userIds.slice(0, 1), '57014');
  await notifyList();
  for (let attempt = 0; attempt < 20; attempt += 1) {
    now = plus(now, 3600);
    await fanOutAll(sql, 10, now);
  }
  expect(await notified()).toEqual(userIds.slice(1));
  expect(await readFanOut(sql)).toMatchObject({ members: 23, failed: 1, stopped: null });
});

test('while another session holds what it needs, dispatchers are not kept busy', async () => {
  const { sql } = db();
  await refuse(sql, userIds.slice(0, 1), '55P03');
  await notifyList();
  expect(await fanOut(sql, 10, now)).toBe(false);
  expect(await hasWork(now)).toBe(false);
  expect(await hasWork(plus(now, 5))).toBe(true);
  expect(await openAlarms(sql)).toEqual([]);
  await sql`delete from public.refused`;
  await fanOutAll(sql, 10, plus(now, 5));
  expect(await notified()).toEqual(userIds);
});

test('a user who is deleted while their chunk is made is skipped', async () => {
  const { sql, url } = db();
  const gone = userIds[3] as string;
  await sql.unsafe(`
    create function public.wait_for_test() returns trigger language plpgsql set lock_timeout = 0 as $$
    begin
      if new.user_id = '${gone}' then
        perform pg_advisory_xact_lock(4711);
      end if;
      return new;
    end $$;
    create trigger wait_for_test before insert on public.push_notifications
    for each row execute function public.wait_for_test();
  `);
  await notifyList();
  await withSessions(url, 2, async (...[dispatcher, app]) => {
    if (!dispatcher || !app) throw new Error('two sessions');
    await app.sql`select pg_advisory_lock(4711)`;
    const chunk = fanOut(dispatcher.sql, 24, now);
    await untilBlocked(sql, dispatcher);
    await app.sql`delete from auth.users where id = ${gone}`;
    await app.sql`select pg_advisory_unlock(4711)`;
    expect(await chunk).toBe(true);
  });
  await sql`drop function public.wait_for_test() cascade`;
  expect(await notified()).toEqual(userIds.filter((id) => id !== gone));
  expect(await readFanOut(sql)).toMatchObject({ failed: 0, finished_at: now });
});

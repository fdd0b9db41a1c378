import postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { refusalOf } from '../../support/refusal.ts';
import { readFailedRows, readTitles, watch } from '../../support/rules.ts';
import { untilBlocked, withSessions } from '../../support/sessions.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

// Titles that do something to others: they are functions that write or lock.
beforeEach(async () => {
  await db().sql.unsafe(`
    create table public.counters (name text primary key, count integer);
    insert into public.counters values ('deals', 0);
    create function public.count_up(p_id integer) returns text language sql as $$
      update public.counters set count = count + 1 where name = 'deals' returning 'deal ' || p_id
    $$;
    create function public.hold(p_lock integer) returns text language plpgsql as $$
    begin
      perform pg_advisory_xact_lock(p_lock);
      return 'held';
    end $$`);
});
afterEach(async () => {
  const { sql } = db();
  await sql`select push.unwatch(name) from push.rules`;
  await sql`drop function public.count_up, public.hold`;
  await sql`drop table public.counters`;
});

const insert = (sql: postgres.Sql, id: number) =>
  sql`insert into public.deals (id, owner_id) values (${id}, ${owner()})`;
const countDeals = async () => (await db().sql`select from public.deals`).length;

test('a statement that is cancelled while a rule works ends as one that is cancelled', async () => {
  const { sql, url } = db();
  await watch(sql, { title: 'public.hold(1)' });
  await withSessions(url, 2, async (holder, writer) => {
    await holder.sql`begin`;
    await holder.sql`select pg_advisory_xact_lock(1)`;
    const refusal = refusalOf(insert(writer.sql, 1));
    await untilBlocked(sql, writer);
    await sql`select pg_cancel_backend(${writer.pid})`;
    expect((await refusal).sqlstate).toBe('57014');
    await holder.sql`rollback`;
  });
  expect(await countDeals()).toBe(0);
  expect(await readFailedRows(sql)).toEqual([]);
});

test('what cannot be serialized is for the whole transaction to try again', async () => {
  const { sql, url } = db();
  await watch(sql, { title: 'public.count_up(new.id)' });
  await withSessions(url, 1, async (writer) => {
    const attempt = async () => {
      await writer.sql`begin isolation level repeatable read`;
      await writer.sql`select from public.counters`;
    };
    await attempt();
    await sql`update public.counters set count = count + 1`;
    expect((await refusalOf(insert(writer.sql, 1))).sqlstate).toBe('40001');
    await writer.sql`rollback`;
    await attempt();
    await insert(writer.sql, 1);
    await writer.sql`commit`;
  });
  expect(await readTitles(sql)).toEqual(['deal 1']);
  expect(await readFailedRows(sql)).toEqual([]);
});

/** How long sessions that are opened from now on wait before they look for a deadlock. */
async function setDeadlockTimeout(time: string): Promise<void> {
  const admin = postgres(db().superuserUrl, { max: 1 });
  await admin.unsafe(`alter database ${db().name} set deadlock_timeout = '${time}'`);
  await admin.end();
}

test('a deadlock in the rule ends with the rule: the write goes through, and it is noted once', async () => {
  const { sql, url } = db();
  await watch(sql, { title: 'public.hold(2)' });
  // The one that looks first is the one that gives way.
  await setDeadlockTimeout('1h');
  await withSessions(url, 1, async (other) => {
    await setDeadlockTimeout('10ms');
    await withSessions(url, 1, async (writer) => {
      await writer.sql`begin`;
      await writer.sql`select pg_advisory_xact_lock(1)`;
      await other.sql`begin`;
      await other.sql`select pg_advisory_xact_lock(2)`;
      const waiting = other.sql`select pg_advisory_xact_lock(1)`.execute();
      await untilBlocked(sql, other);
      await insert(writer.sql, 1);
      await writer.sql`commit`;
      await waiting;
      await other.sql`rollback`;
    });
  });
  expect(await countDeals()).toBe(1);
  expect(await readFailedRows(sql)).toMatchObject([{ row_key: null, row_count: null, sqlstate: '40P01' }]);
});

test('a lock that is not had in time is not waited for again, row by row', async () => {
  const { sql, url } = db();
  await watch(sql, { title: 'public.hold(1)' });
  await withSessions(url, 2, async (holder, writer) => {
    await holder.sql`begin`;
    await holder.sql`select pg_advisory_xact_lock(1)`;
    await writer.sql`set lock_timeout = '10ms'`;
    await writer.sql`insert into public.deals (id, owner_id) select i, ${owner()} from generate_series(1, 20) as i`;
    await holder.sql`rollback`;
  });
  expect(await countDeals()).toBe(20);
  expect(await readFailedRows(sql)).toMatchObject([{ row_key: null, row_count: null, sqlstate: '55P03' }]);
});

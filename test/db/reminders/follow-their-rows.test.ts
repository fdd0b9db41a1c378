import { afterEach, expect, test } from 'vitest';
import { asUser } from '../../support/postgres.ts';
import {
  readMoments,
  readReminderErrors,
  readStates,
  readWaiting,
  remind,
  sendReminders,
  useBookings,
} from '../../support/reminders.ts';
import { readTitles } from '../../support/rules.ts';

const { db, guest, book } = useBookings();
afterEach(async () => {
  await db().sql.unsafe(
    'drop table if exists public.watched cascade; drop schema if exists "Front Desk" cascade',
  );
});

const NOON = '2031-05-10T12:00:00Z';
const EVENING = '2031-05-10T18:00:00Z';
const atEleven = ['2031-05-10T11:00:00.000Z'];
const atFive = ['2031-05-10T17:00:00.000Z'];

test('a row that moves takes its reminder along', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await sql`update public.bookings set starts_at = ${EVENING}`;
  expect(await readWaiting(sql)).toEqual(atFive);
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(0);
  expect(await sendReminders(sql, '2031-05-10T17:00:00Z')).toBe(1);
});

test('a row that changes otherwise leaves its reminder as it is', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  const id = async () => (await sql`select id from push.reminder_moments`).map((row) => row.id);
  const before = await id();
  await sql`update public.bookings set note = 'changed', starts_at = starts_at`;
  expect(await id()).toEqual(before);
});

test('a row that is deleted, emptied of its time, or truncated away has none', async () => {
  const { sql } = db();
  await remind(sql);
  for (const id of [1, 2, 3]) await book({ id, starts_at: NOON });
  await sql`delete from public.bookings where id = 1`;
  expect(await readMoments(sql)).toMatchObject([{ row_key: { id: 2 } }, { row_key: { id: 3 } }]);
  await sql`update public.bookings set starts_at = null where id = 2`;
  expect(await readMoments(sql)).toMatchObject([{ row_key: { id: 3 } }]);
  await sql`truncate public.bookings`;
  expect(await readMoments(sql)).toEqual([]);
});

test('a row that gets a time later is reminded of from then on', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: null });
  await sql`update public.bookings set starts_at = ${NOON}`;
  expect(await readWaiting(sql)).toEqual(atEleven);
});

test('a row whose key changes is reminded of once, under its new one', async () => {
  const { sql } = db();
  await remind(sql, { title: `'b' || new.id` });
  await book({ id: 1, starts_at: NOON });
  await sql`update public.bookings set id = 7`;
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(1);
  expect(await readTitles(sql)).toEqual(['b7']);
});

test('rows that swap their times in one statement swap their moments', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ id: 1, starts_at: NOON });
  await book({ id: 2, starts_at: EVENING });
  await sql`update public.bookings set starts_at = case id when 1 then ${EVENING}::timestamptz else ${NOON} end`;
  expect(await readMoments(sql)).toMatchObject([{ row_key: { id: 2 } }, { row_key: { id: 1 } }]);
});

test('an upsert is one row or a move', async () => {
  const { sql } = db();
  await remind(sql);
  const upsert = (at: string) => sql`
    insert into public.bookings (id, starts_at) values (1, ${at})
    on conflict (id) do update set starts_at = excluded.starts_at`;
  await upsert(NOON);
  expect(await readWaiting(sql)).toEqual(atEleven);
  await upsert(EVENING);
  expect(await readWaiting(sql)).toEqual(atFive);
});

test('ten thousand rows in one statement, and all of them moved in another', async () => {
  const { sql } = db();
  await remind(sql, { before: ['1 hour', '1 day'] });
  await sql`
    insert into public.bookings (id, guest_id, starts_at)
    select n, ${guest()}::uuid, ${NOON}::timestamptz + n * interval '1 minute' from generate_series(1, 10000) as n`;
  expect(await sql`select from push.reminder_moments where state = 'waiting'`).toHaveLength(20_000);
  await sql`update public.bookings set starts_at = starts_at + interval '1 year'`;
  const [row] = await sql`
    select count(*)::int as moments, min(due_at) as first from push.reminder_moments where state = 'waiting'`;
  expect(row).toEqual({ moments: 20_000, first: new Date('2032-05-09T12:01:00Z') });
});

test('what a transaction takes back has moved nothing', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await sql
    .begin(async (t) => {
      await t`update public.bookings set starts_at = ${EVENING}`;
      throw new Error('rolled back');
    })
    .catch(() => undefined);
  expect(await readWaiting(sql)).toEqual(atEleven);
});

test('written by a signed-in user under RLS, who sees nothing of it', async () => {
  const { sql } = db();
  await remind(sql);
  await sql`grant select, insert, update on public.bookings to authenticated`;
  await asUser(sql, guest(), async (t) => {
    await t`insert into public.bookings (id, guest_id, starts_at) values (1, ${guest()}, ${NOON})`;
    await t`update public.bookings set starts_at = ${EVENING}`;
  });
  expect(await readWaiting(sql)).toEqual(atFive);
  expect(await readReminderErrors(sql)).toEqual([]);
});

test('whatever the time zone of those who write', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create table public.watched (at timestamptz primary key, day date, guest_id uuid);
    insert into public.watched values ('${NOON}', '2031-05-10', '${guest()}')`);
  await remind(sql, { table: 'public.watched', at: `(new.day + time '09:00') at time zone 'UTC'` });
  await sql.begin(async (t) => {
    await t`set local timezone = 'Asia/Kathmandu'`;
    await t`update public.watched set day = day + 1`;
  });
  expect(await readWaiting(sql)).toEqual(['2031-05-11T08:00:00.000Z']);
  expect(await sendReminders(sql, '2031-05-11T08:00:00Z')).toBe(1);
});

test('a row written without the triggers is not announced at a time that is no longer its own', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ id: 1, starts_at: NOON });
  await book({ id: 2, starts_at: NOON });
  await sql`alter table public.bookings disable trigger user`;
  await sql`update public.bookings set starts_at = ${EVENING} where id = 1`;
  await sql`delete from public.bookings where id = 2`;
  await sql`alter table public.bookings enable trigger user`;
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(0);
  expect((await readStates(sql)).sort()).toEqual(['skipped: moved', 'skipped: row_gone']);
});

test.each([
  ['several columns', 'a integer, b text, primary key (b, a)', `1, 'it''s "x"'`],
  ['included columns', 'a integer, b text, primary key (a) include (b)', `1, 'x'`],
  ['a uuid', 'a uuid primary key', 'gen_random_uuid()'],
  ['a large number', 'a bigint primary key', '9223372036854775807'],
  ['a fraction', 'a numeric primary key', '1.10'],
  ['a double', 'a double precision primary key', '0.1'],
  ['a moment', 'a timestamptz primary key', `'2031-05-10 12:00:00.123456+05:45'`],
  ['a date', 'a date primary key', `'2031-05-10'`],
  ['an interval', 'a interval primary key', `'1 mon 2 days 03:00'`],
  ['bytes', 'a bytea primary key', `'\\x00ff'`],
  ['a text of fixed length', 'a char(5) primary key', `'ab'`],
  ['a truth', 'a boolean primary key', 'false'],
  ['a range', 'a int4range primary key', `'[1,5)'`],
  ['json', 'a jsonb primary key', `'{"a": [1]}'`],
])('with a primary key of %s', async (_what, columns, values) => {
  const { sql } = db();
  await sql.unsafe(`create table public.watched (${columns}); alter table public.watched
    add guest_id uuid, add starts_at timestamptz`);
  await remind(sql, { table: 'public.watched' });
  await sql.unsafe(`insert into public.watched values (${values}, '${guest()}', '${NOON}')`);
  await sql`update public.watched set starts_at = ${EVENING}`;
  expect(await readWaiting(sql)).toEqual(atFive);
  expect(await sendReminders(sql, EVENING.replace('18', '17'))).toBe(1);
  expect(await readReminderErrors(sql)).toEqual([]);
});

test('with quotes, capitals, spaces and keywords in every name', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create schema "Front Desk";
    create table "Front Desk"."The ""Bookings"" %s" (
      "Booking ID" integer, "select" text, "Guest's" uuid, "new" timestamptz, "moment" text,
      primary key ("Booking ID", "select")
    )`);
  await remind(sql, {
    table: '"Front Desk"."The ""Bookings"" %s"',
    at: 'new."new"',
    recipients: `new."Guest's"`,
    title: `new."moment" || ' %s ' || moment.before`,
  });
  await sql.unsafe(`
    insert into "Front Desk"."The ""Bookings"" %s" values (1, 'a', '${guest()}', '${NOON}', 'm')`);
  await sql.unsafe(`update "Front Desk"."The ""Bookings"" %s" set "new" = '${EVENING}'`);
  expect(await sendReminders(sql, '2031-05-10T17:00:00Z')).toBe(1);
  expect(await readTitles(sql)).toEqual(['m %s 01:00:00']);
});

test('partitioned', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create table public.watched (id integer primary key, guest_id uuid, starts_at timestamptz) partition by range (id);
    create table public.watched_1 partition of public.watched for values from (0) to (10);
    create table public.watched_2 partition of public.watched for values from (10) to (20)`);
  await remind(sql, { table: 'public.watched', title: `'b' || new.id` });
  await sql`insert into public.watched values (1, ${guest()}, ${NOON}), (11, ${guest()}, ${NOON})`;
  await sql`update public.watched set id = 12 where id = 1`;
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(2);
  expect(await readTitles(sql)).toEqual(['b11', 'b12']);
});

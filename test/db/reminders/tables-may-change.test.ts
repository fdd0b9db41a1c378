import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  readReminderErrors,
  readWaiting,
  remind,
  sendReminders,
  useBookings,
} from '../../support/reminders.ts';
import { readTitles } from '../../support/rules.ts';

const { db, guest } = useBookings();

const NOON = '2031-05-10T12:00:00Z';
const DUE = '2031-05-10T11:00:00Z';

beforeEach(async () => {
  const { sql } = db();
  await sql`create table public.courses (id integer primary key, guest_id uuid, starts_at timestamptz, name text)`;
  await remind(sql, { name: 'course', table: 'public.courses', title: 'new.name' });
  await sql`insert into public.courses values (1, ${guest()}, ${NOON}, 'Yoga')`;
});
afterEach(async () => {
  await db().sql.unsafe(
    'drop schema if exists school cascade; drop table if exists public.courses, public.lessons',
  );
});

/** What the housekeeping of each minute finds, and the message of the alarm that stands then. */
async function check(): Promise<[number, string | undefined]> {
  const { sql } = db();
  const [row] = await sql<{ broken: number }[]>`select push.check_reminders() as broken`;
  const [alarm] = await sql<{ message: string }[]>`
    select message from push.alarms where code = 'reminder_broken' and subject = 'course' and resolved_at is null`;
  return [row?.broken ?? -1, alarm?.message];
}

test('renamed and moved to another schema, it is reminded of as before', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create schema school;
    alter table public.courses rename to lessons;
    alter table public.lessons set schema school`);
  await sql`insert into school.lessons values (2, ${guest()}, ${NOON}, 'Judo')`;
  expect(await check()).toEqual([0, undefined]);
  expect(await sendReminders(sql, DUE)).toBe(2);
});

test('columns may come, and others may go or change their type', async () => {
  const { sql } = db();
  await sql.unsafe(`
    alter table public.courses add column room text;
    alter table public.courses alter column id type bigint;
    alter table public.courses drop column room`);
  await sql`update public.courses set id = 5000000000`;
  expect(await check()).toEqual([0, undefined]);
  expect(await sendReminders(sql, DUE)).toBe(1);
  expect(await readReminderErrors(sql)).toEqual([]);
});

test.each([
  ['a column of its text', 'alter table public.courses rename column name to label', /new\.name|name/],
  ['the column of its time', 'alter table public.courses rename column starts_at to begins_at', /starts_at/],
  ['the column of its key', 'alter table public.courses rename column id to number', /id/],
  ['the table', 'drop table public.courses', /table public\.courses was dropped|courses was dropped/],
  ['a trigger', 'drop trigger push_reminder_course_update on public.courses', /triggers/],
  ['all triggers, switched off', 'alter table public.courses disable trigger user', /triggers/],
])('without %s it says so, before anything is due', async (_what, statement, message) => {
  const { sql } = db();
  await sql.unsafe(statement);
  const [broken, alarm] = await check();
  expect(broken).toBe(1);
  expect(alarm).toMatch(message);
  expect(alarm).toMatch('course');
  const [health] = await sql`select public.push_health() as health`;
  expect(health?.health.reasons).toContainEqual({ code: 'reminder_broken', message: alarm });
});

test('put right again, the alarm is over', async () => {
  const { sql } = db();
  await sql`alter table public.courses rename column name to label`;
  await check();
  await sql`alter table public.courses rename column label to name`;
  expect(await check()).toEqual([0, undefined]);
  await sql`alter table public.courses rename column name to label`;
  await check();
  await remind(sql, { name: 'course', table: 'public.courses', title: 'new.label' });
  expect(await check()).toEqual([0, undefined]);
  expect(await sendReminders(sql, DUE)).toBe(1);
  expect(await readTitles(sql)).toEqual(['Yoga']);
});

test('writes go through while it is broken, and the housekeeping goes on', async () => {
  const { sql } = db();
  await sql`alter table public.courses rename column starts_at to begins_at`;
  await sql`insert into public.courses values (2, ${guest()}, ${NOON}, 'Judo')`;
  await sql`update public.courses set name = 'Tai Chi'`;
  await sql`delete from public.courses where id = 1`;
  expect(await sql`select from public.courses`).toHaveLength(1);
  expect(await readReminderErrors(sql)).toMatchObject([{ sqlstate: '42703' }, { sqlstate: '42703' }]);
  const [row] = await sql`select push.clean() as cleaned`;
  expect(row?.cleaned).toMatchObject({ reminder_errors: 0 });
});

test('a table that was dropped: nothing is sent, and the reminder can be removed', async () => {
  const { sql } = db();
  await sql`drop table public.courses`;
  expect(await sendReminders(sql, DUE)).toBe(0);
  expect(await readReminderErrors(sql)).toMatchObject([{ message: expect.stringMatching('dropped') }]);
  await sql`select push.unremind('course')`;
  expect(await readWaiting(sql)).toEqual([]);
  expect(await check()).toEqual([0, undefined]);
});

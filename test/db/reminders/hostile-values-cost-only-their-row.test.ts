import { afterEach, beforeEach, expect, test } from 'vitest';
import { refusalOf } from '../../support/refusal.ts';
import { readReminderErrors, remind, sendReminders, useBookings } from '../../support/reminders.ts';
import { readTitles } from '../../support/rules.ts';

const { db, guest } = useBookings();

const NOON = '2031-05-10T12:00:00Z';
const DUE = '2031-05-10T11:00:00Z';
const COURSE = { name: 'course', table: 'public.courses', title: 'new.id::text' };

/** What a json column holds and jsonb does not. */
const HOSTILE: [string, string, string][] = [
  ['a NUL', '{"a": "\\u0000"}', '22P05'],
  ['half a surrogate', '"\\ud800"', '22P02'],
  ['a number that is too long', '1e200000', '22003'],
];

beforeEach(async () => {
  await db().sql.unsafe(`
    create table public.courses (
      id bigint primary key, guest_id uuid default '${guest()}', starts_at timestamptz default '${NOON}', zone text default 'UTC',
      about text default 'public.courses', j json, x xml default '<a/>', p point default '(1,2)',
      long integer generated always as (length(j::text)) stored
    )`);
});
afterEach(async () => {
  const { sql } = db();
  await sql`select push.unremind(name) from push.reminders`;
  await sql`drop table if exists public.courses, public.keyed`;
});

const alarms = async () =>
  (await db().sql`select code from push.alarms where resolved_at is null`).map(({ code }) => code);
const moments = async (table = 'push.reminder_moments') =>
  (
    await db().sql.unsafe(`select row_key ->> 'id' as id from ${table} where state = 'waiting' order by 1`)
  ).map(({ id }) => Number(id));

test.each(HOSTILE)('%s, in the row that cannot be worked out and in others', async (_what, value) => {
  const { sql } = db();
  await remind(sql, { ...COURSE, timezone: 'new.zone', before: ['1 day'] });
  await sql`
    insert into public.courses (id, zone, j)
    select i, case i when 2 then 'x y' else 'UTC' end, ${value}::text::json from generate_series(1, 4) as i`;
  expect(await moments()).toEqual([1, 3, 4]);
  await sql`update public.courses set starts_at = starts_at + interval '1 hour'`;
  expect(await moments()).toEqual([1, 3, 4]);
  await sql`update public.courses set zone = 'UTC', x = '<b/>', p = '(2,3)'`;
  expect(await moments()).toEqual([1, 2, 3, 4]);
  await sql`delete from public.courses where id = 3`;
  expect(await moments()).toEqual([1, 2, 4]);
  expect(await readReminderErrors(sql)).toMatchObject([
    { row_key: { id: 2 }, sqlstate: '22023' },
    { row_key: { id: 2 }, sqlstate: '22023' },
  ]);
});

test.each(
  HOSTILE.flatMap(([what, value, sqlstate]) =>
    Object.entries({
      title: `new.id || left(new.j::jsonb::text, 0)`,
      body: 'to_jsonb(new)::text',
      condition: 'new.j::jsonb is not null',
      recipients: 'case when new.j::jsonb is not null then new.guest_id end',
      params: `jsonb_build_object('course', new.j)`,
      tag: `'t' || new.id || left(new.j::jsonb::text, 0)`,
    }).map(([place, expression]) => [what, place, value, sqlstate, expression] as const),
  ),
)('%s, in the %s', async (_what, place, value, sqlstate, expression) => {
  const { sql } = db();
  await remind(sql, { ...COURSE, [place]: expression });
  await sql`
    insert into public.courses (id, j)
    select i, (case i when 2 then ${value} else '1' end)::json from generate_series(1, 4) as i`;
  expect(await sendReminders(sql, DUE)).toBe(3);
  expect(await readTitles(sql)).toEqual(['1', '3', '4']);
  expect(await readReminderErrors(sql)).toMatchObject([{ reminder: 'course', row_key: { id: 2 }, sqlstate }]);
});

test('an error of class 42 that is about one row breaks neither the others nor the reminder', async () => {
  const { sql } = db();
  await remind(sql, { ...COURSE, title: `new.id || left(new.about::regclass::text, 0)` });
  await sql`
    insert into public.courses (id, about)
    select i, case i when 2 then 'public.nothing' else 'public.courses' end from generate_series(1, 4) as i`;
  expect(await sendReminders(sql, DUE)).toBe(3);
  expect(await readReminderErrors(sql)).toMatchObject([{ row_key: { id: 2 }, sqlstate: '42P01' }]);
  expect(await alarms()).not.toContain('reminder_broken');
});

test('rows that are there when it is declared: the bad ones are noted, the others are reminded of', async () => {
  const { sql } = db();
  await sql`
    insert into public.courses (id, zone, j)
    select i, case i when 2 then 'x y' when 2345 then 'y z' else 'UTC' end, '"\\ud800"'
    from generate_series(1, 3000) as i`;
  await remind(sql, { ...COURSE, timezone: 'new.zone', before: ['1 day'] });
  const waiting = await moments();
  expect(waiting).toHaveLength(2998);
  expect(waiting).not.toContain(2345);
  expect((await readReminderErrors(sql)).map(({ row_key }) => row_key)).toEqual([{ id: 2 }, { id: 2345 }]);
});

test('when it is more than a hundred of them, the time does not suit the table, and it is refused', async () => {
  const { sql } = db();
  await sql`insert into public.courses (id, zone) select i, 'x y' from generate_series(1, 500) as i`;
  const refusal = await refusalOf(remind(sql, { ...COURSE, timezone: 'new.zone', before: ['1 day'] }));
  expect(refusal).toMatchObject({ sqlstate: 'PT400', code: 'reminder_time_unusable' });
  expect(refusal.message).toMatch(/time zone "x y" not recognized/);
  expect(await sql`select from push.reminders`).toHaveLength(0);
  expect(await readReminderErrors(sql)).toEqual([]);
});

test.each<[string, string[]]>([
  ['bigint', ['9007199254740993', '-9223372036854775808', '1161380288898609914']],
  ['numeric', ['0.10000000000000000001', 'NaN', 'Infinity', '1e100']],
  ['double precision', ['0.30000000000000004', '-Infinity', '5e-324']],
  ['timestamptz', ['infinity', '2031-05-10 12:00:00.123456+00', '0044-03-15 BC']],
  ['text', ['', '\\u0000', '{"a": 1}', '"', 'ü😀']],
  ['bytea', ['\\x00ff', '\\x']],
  ['interval', ['1 year 2 days', '-00:00:01']],
])('a key of type %s keeps its digits', async (type, keys) => {
  const { sql } = db();
  await sql.unsafe(`
    create table public.keyed (
      id ${type} primary key, guest_id uuid default '${guest()}', starts_at timestamptz default '${NOON}'
    )`);
  await remind(sql, {
    name: 'keyed',
    table: 'public.keyed',
    title: `coalesce(nullif(new.id::text, ''), 'empty')`,
  });
  for (const key of keys) await sql`insert into public.keyed (id) values (${sql.unsafe(`'${key}'`)})`;
  await sql`update public.keyed set starts_at = starts_at + interval '1 minute'`;
  expect(await sql`select from push.reminder_moments where state = 'waiting'`).toHaveLength(keys.length);
  expect(await sendReminders(sql, '2031-05-10T11:01:00Z')).toBe(keys.length);
  expect(await sql`select from push.reminder_moments where state <> 'sent'`).toHaveLength(0);
});

test('the key of a row that fails is noted with all digits', async () => {
  const { sql } = db();
  await remind(sql, { ...COURSE, title: 'new.j::jsonb::text' });
  await sql`insert into public.courses (id, j) values (9007199254740993, '"\\ud800"')`;
  expect(await sendReminders(sql, DUE)).toBe(0);
  expect(await readReminderErrors(sql)).toMatchObject([{ row_key: { id: '9007199254740993' } }]);
});

test('a time that is infinite, or none, is no error', async () => {
  const { sql } = db();
  await remind(sql, COURSE);
  await sql`
    insert into public.courses (id, starts_at) values (1, 'infinity'), (2, '-infinity'), (3, null), (4, ${NOON}), (5, '294276-12-31')`;
  expect(await moments()).toEqual([4, 5]);
  expect(await readReminderErrors(sql)).toEqual([]);
});

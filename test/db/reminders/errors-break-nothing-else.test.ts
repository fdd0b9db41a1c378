import { expect, test } from 'vitest';
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
import { withSessions } from '../../support/sessions.ts';

const { db, guest, book } = useBookings();

const NOON = '2031-05-10T12:00:00Z';
const DUE = '2031-05-10T11:00:00Z';

const alarms = async () =>
  (await db().sql`select code, subject from push.alarms where resolved_at is null`).map(
    ({ code, subject }) => `${code} ${subject}`,
  );

test('a row whose moment cannot be worked out is written all the same, and only that one goes without', async () => {
  const { sql } = db();
  await remind(sql, { timezone: 'new.zone', before: ['1 day'] });
  await sql`
    insert into public.bookings (id, starts_at, zone)
    values (1, ${NOON}, 'Europe/Berlin'), (2, ${NOON}, 'Europe/Atlantis'), (3, ${NOON}, 'UTC')`;
  expect(await sql`select from public.bookings`).toHaveLength(3);
  expect(await readMoments(sql)).toMatchObject([{ row_key: { id: 1 } }, { row_key: { id: 3 } }]);
  expect(await readReminderErrors(sql)).toMatchObject([
    {
      reminder: 'booking',
      row_key: { id: 2 },
      sqlstate: '22023',
      message: expect.stringMatching('Atlantis'),
    },
  ]);
});

test('many bad rows in one statement cost the write no more than a hundred of them do', async () => {
  const { sql } = db();
  await remind(sql, { timezone: 'new.zone', before: ['1 day'] });
  await sql`
    insert into public.bookings (id, starts_at, zone)
    select n, ${NOON}::timestamptz, case when n > 2000 then 'UTC' else 'x y' end from generate_series(1, 4000) as n`;
  expect(await sql`select from public.bookings`).toHaveLength(4000);
  const errors = await readReminderErrors(sql);
  expect(errors.filter(({ row_key }) => row_key !== null)).toHaveLength(100);
  expect(errors.slice(100)).toMatchObject([{ row_key: null, sqlstate: '54000' }]);
});

test('a row that is changed so that it cannot be worked out loses its moment, the others move', async () => {
  const { sql } = db();
  await remind(sql, { timezone: 'new.zone', before: ['1 day'] });
  for (const id of [1, 2, 3]) await book({ id, starts_at: NOON });
  await sql`update public.bookings set starts_at = starts_at + interval '1 hour', zone = case id when 2 then 'x y' end`;
  expect(await readWaiting(sql)).toEqual(['2031-05-09T13:00:00.000Z', '2031-05-09T13:00:00.000Z']);
  expect(await readReminderErrors(sql)).toMatchObject([{ row_key: { id: 2 } }]);
  await sql`update public.bookings set zone = null`;
  expect(await readWaiting(sql)).toHaveLength(3);
});

test.each<[string, Parameters<typeof remind>[1], string]>([
  ['a division by zero in the title', { title: `(1 / new.amount)::text` }, '22012'],
  ['a division by zero in the condition', { condition: `1 / new.amount > 0` }, '22012'],
  ['a title that is null', { title: 'nullif(new.amount, 0)::text' }, 'PT400'],
  [
    'an end before it is sent',
    { expiresAt: `case new.amount when 0 then new.starts_at - interval '20 years' end` },
    'PT400',
  ],
  ['an assertion that fails', { title: 'public.assert_positive(new.amount)' }, 'P0004'],
  [
    'a cast that fails in the recipients',
    { recipients: `coalesce(nullif(new.amount::text, '0')::uuid, new.guest_id)` },
    '',
  ],
])('%s when it is due holds up no other row', async (_what, reminder, sqlstate) => {
  const { sql } = db();
  const broken = sqlstate === '' ? 1 : 0;
  await sql.unsafe(`create or replace function public.assert_positive(p_amount numeric) returns text language plpgsql as $$
    begin assert p_amount > 0, 'not positive'; return 'x'; end $$`);
  await remind(sql, reminder);
  for (let id = 1; id <= 9; id++) await book({ id, starts_at: NOON, amount: id === 5 ? broken : 1 - broken });
  expect(await sendReminders(sql, DUE)).toBe(8);
  expect(await readReminderErrors(sql)).toMatchObject([
    {
      reminder: 'booking',
      row_key: { id: 5 },
      sqlstate: sqlstate || '22P02',
      message: expect.stringMatching(/\w/),
    },
  ]);
  expect(await alarms()).toEqual([]);
});

test('it is tried again after a while, and sent once it can be', async () => {
  const { sql } = db();
  await remind(sql, { title: '(1 / new.amount)::int::text' });
  await book({ starts_at: NOON, amount: 0 });
  expect(await sendReminders(sql, DUE)).toBe(0);
  await sql`update public.bookings set amount = 1`;
  expect(await sendReminders(sql, '2031-05-10T11:00:59Z')).toBe(0);
  expect(await sendReminders(sql, '2031-05-10T11:01:00Z')).toBe(1);
  expect(await readReminderErrors(sql)).toHaveLength(1);
  expect(await readStates(sql)).toEqual(['sent']);
});

test('it is not tried for ever', async () => {
  const { sql } = db();
  await remind(sql, { title: '(1 / new.amount)::int::text' });
  await book({ starts_at: NOON, amount: 0 });
  for (let minute = 0; minute <= 15; minute++) {
    const now = new Date(Date.parse(DUE) + minute * 60_000);
    expect(await sendReminders(sql, now)).toBe(0);
  }
  expect(await readStates(sql)).toEqual(['failed: error']);
  // At once, and after 1, 3 and 7 minutes; the next time would be too late.
  expect(await readReminderErrors(sql)).toHaveLength(4);
});

test('a broken reminder holds up no other one, nor the tick', async () => {
  const { sql } = db();
  await sql`alter table public.bookings add column room text`;
  await remind(sql, { name: 'broken', title: `'in ' || new.room` });
  await remind(sql, { name: 'whole', title: `'whole'` });
  await book({ starts_at: NOON });
  await sql`alter table public.bookings drop column room`;
  const [row] = await sql`select push.tick(${DUE}) as result`;
  expect(row?.result).toMatchObject({ reminded: 1 });
  expect(await readTitles(sql)).toEqual(['whole']);
  expect(await alarms()).toContain('reminder_broken broken');
  expect(await readReminderErrors(sql)).toMatchObject([
    { reminder: 'broken', row_key: null, sqlstate: '42703' },
  ]);
});

test.each([
  ['a lock', '55P03', '0'],
  // Shorter than the second for which a reminder waits for locks, and long enough for the other one, which may come first.
  ['a statement timeout', '57014', '900ms'],
])('what ends by %s is put off, and the tick goes on', async (_what, sqlstate, timeout) => {
  const { sql, url } = db();
  // No sleep: it waits for a lock that the test holds.
  await sql.unsafe(`create or replace function public.wait_for_test() returns boolean language plpgsql as $$
    begin perform pg_advisory_xact_lock(4242); return true; end $$`);
  await remind(sql, { name: 'slow', condition: 'public.wait_for_test()' });
  await remind(sql, { name: 'whole', title: `'whole'` });
  await book({ starts_at: NOON });
  await withSessions(url, 2, async (holder, ticking) => {
    if (!holder || !ticking) throw new Error('two sessions');
    await holder.sql`select pg_advisory_lock(4242)`;
    await ticking.sql.unsafe(`set statement_timeout = '${timeout}'`);
    expect(await sendReminders(ticking.sql, DUE)).toBe(1);
  });
  expect(await readReminderErrors(sql)).toMatchObject([{ reminder: 'slow', sqlstate }]);
  expect(await alarms()).toEqual([]);
  expect(await sendReminders(sql, '2031-05-10T11:01:00Z')).toBe(1);
});

test('a table that is being changed holds up no other reminder', async () => {
  const { sql, url } = db();
  await sql`create table public.courses (id integer primary key, guest_id uuid, starts_at timestamptz)`;
  await remind(sql, { name: 'course', table: 'public.courses', title: `'course'` });
  await remind(sql, { title: `'booking'` });
  await sql`insert into public.courses values (1, ${guest()}, ${NOON}), (2, ${guest()}, ${NOON})`;
  await book({ starts_at: NOON });
  await withSessions(url, 1, async (migration) => {
    if (!migration) throw new Error('one session');
    await migration.sql`begin`;
    await migration.sql`lock table public.courses`;
    expect(await sendReminders(sql, DUE)).toBe(1);
    await migration.sql`commit`;
  });
  expect(await alarms()).toEqual([]);
  expect(await sendReminders(sql, '2031-05-10T11:01:00Z')).toBe(2);
  await sql`drop table public.courses`;
});

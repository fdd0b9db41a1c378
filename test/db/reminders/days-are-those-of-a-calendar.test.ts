import { expect, test } from 'vitest';
import { readReminderErrors, readWaiting, remind, useBookings } from '../../support/reminders.ts';

const { db, book } = useBookings();

// In 2031, clocks in Berlin go forward on 30 March at 01:00Z, and back on 26 October at 01:00Z.
test.each([
  ['a day is 24 hours in UTC', null, '1 day', '2031-03-30T10:00:00Z', '2031-03-29T10:00:00.000Z'],
  [
    'a day is 23 hours in spring',
    `'Europe/Berlin'`,
    '1 day',
    '2031-03-30T10:00:00Z',
    '2031-03-29T11:00:00.000Z',
  ],
  [
    'a day is 25 hours in autumn',
    `'Europe/Berlin'`,
    '1 day',
    '2031-10-26T11:00:00Z',
    '2031-10-25T10:00:00.000Z',
  ],
  [
    '24 hours are 24 hours',
    `'Europe/Berlin'`,
    '24 hours',
    '2031-03-30T10:00:00Z',
    '2031-03-29T10:00:00.000Z',
  ],
  [
    'an hour is an hour in spring',
    `'Europe/Berlin'`,
    '1 hour',
    '2031-03-30T01:30:00Z',
    '2031-03-30T00:30:00.000Z',
  ],
  [
    'an hour is an hour in autumn',
    `'Europe/Berlin'`,
    '1 hour',
    '2031-10-26T01:30:00Z',
    '2031-10-26T00:30:00.000Z',
  ],
  [
    'a day and an hour',
    `'Europe/Berlin'`,
    '1 day 1 hour',
    '2031-03-30T10:00:00Z',
    '2031-03-29T10:00:00.000Z',
  ],
  ['a day after', `'Europe/Berlin'`, '-1 day', '2031-03-29T11:00:00Z', '2031-03-30T10:00:00.000Z'],
  ['a month', `'Europe/Berlin'`, '1 month', '2031-04-10T10:00:00Z', '2031-03-10T11:00:00.000Z'],
  ['south of the equator', `'Australia/Sydney'`, '1 day', '2031-04-06T02:00:00Z', '2031-04-05T01:00:00.000Z'],
  [
    'half an hour of summer time',
    `'Australia/Lord_Howe'`,
    '1 day',
    '2031-04-06T02:00:00Z',
    '2031-04-05T01:30:00.000Z',
  ],
  ['where there is none', `'Asia/Kathmandu'`, '1 day', '2031-03-30T10:00:00Z', '2031-03-29T10:00:00.000Z'],
  ['of the row', 'new.zone', '1 day', '2031-03-30T10:00:00Z', '2031-03-29T11:00:00.000Z'],
  ['of a row that has none', 'new.note', '1 day', '2031-03-30T10:00:00Z', '2031-03-29T10:00:00.000Z'],
])('%s', async (_what, timezone, before, startsAt, due) => {
  const { sql } = db();
  await remind(sql, { before: [before], ...(timezone === null ? {} : { timezone }) });
  await book({ starts_at: startsAt, zone: 'Europe/Berlin' });
  expect(await readReminderErrors(sql)).toEqual([]);
  expect(await readWaiting(sql)).toEqual([due]);
});

test('a row that changes its time zone moves its reminder', async () => {
  const { sql } = db();
  await remind(sql, { before: ['1 day'], timezone: 'new.zone' });
  await book({ starts_at: '2031-03-30T10:00:00Z', zone: 'Europe/Berlin' });
  await sql`update public.bookings set zone = 'Asia/Kathmandu'`;
  expect(await readWaiting(sql)).toEqual(['2031-03-29T10:00:00.000Z']);
});

test('the session that declares or writes has no say in it', async () => {
  const { sql } = db();
  await book({ id: 1, starts_at: '2031-03-30T10:00:00Z' });
  await sql.begin(async (t) => {
    await t`set local timezone = 'Europe/Berlin'`;
    await remind(t, { before: ['1 day'] });
    await t`insert into public.bookings (id, starts_at) values (2, '2031-03-30T10:00:00Z')`;
  });
  expect(await readWaiting(sql)).toEqual(['2031-03-29T10:00:00.000Z', '2031-03-29T10:00:00.000Z']);
});

test.each([
  ['a day column with a time of day', `('2031-03-30'::date + time '09:00') at time zone 'Europe/Berlin'`],
  ['a local time column', `(timestamp '2031-03-30 09:00') at time zone 'Europe/Berlin'`],
])('%s is said in its time zone', async (_what, at) => {
  const { sql } = db();
  await remind(sql, { at, before: ['0'] });
  await book({});
  expect(await readWaiting(sql)).toEqual(['2031-03-30T07:00:00.000Z']);
});

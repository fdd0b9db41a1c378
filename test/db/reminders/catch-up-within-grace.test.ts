import { expect, test } from 'vitest';
import { plus } from '../../support/queue.ts';
import { readMoments, readStates, remind, sendReminders, useBookings } from '../../support/reminders.ts';
import { readTitles } from '../../support/rules.ts';

const { db, guest, book } = useBookings();

const NOON = '2031-05-10T12:00:00Z';

test.each([
  ['within the grace', ['1 hour'], '2031-05-10T11:14:59Z', 'sent'],
  ['when the grace is over', ['1 hour'], '2031-05-10T11:15:00Z', 'skipped: too_late'],
  ['just before what it announces', ['5 minutes'], '2031-05-10T11:59:59Z', 'sent'],
  ['when that has begun, whatever the grace', ['5 minutes'], '2031-05-10T12:00:00Z', 'skipped: too_late'],
  ['of what is about the start itself, within the grace', ['0'], '2031-05-10T12:14:59Z', 'sent'],
  ['of what comes afterwards, within the grace', ['-1 hour'], '2031-05-10T13:14:59Z', 'sent'],
  ['of what comes afterwards, when it is over', ['-1 hour'], '2031-05-10T13:15:00Z', 'skipped: too_late'],
])('after a pause, %s', async (_what, before, now, state) => {
  const { sql } = db();
  await remind(sql, { before });
  await book({ starts_at: NOON });
  expect(await sendReminders(sql, now)).toBe(state === 'sent' ? 1 : 0);
  expect(await readStates(sql)).toEqual([state]);
});

test('a longer grace is a matter of the declaration', async () => {
  const { sql } = db();
  await remind(sql, { before: ['1 day'], grace: '6 hours' });
  await book({ starts_at: NOON });
  expect(await sendReminders(sql, '2031-05-09T17:59:59Z')).toBe(1);
});

test('after a long pause, what is in its grace is sent although more lapsed than fits into one tick', async () => {
  const { sql } = db();
  await remind(sql, { title: `'b' || new.id` });
  for (let id = 1; id <= 20; id++)
    await book({ id, starts_at: `2031-05-${id < 20 ? '01' : '10'}T12:00:00Z` });
  expect(await sendReminders(sql, '2031-05-10T11:01:00Z', 5)).toBe(1);
  expect(await readTitles(sql)).toEqual(['b20']);
  const states = async () => (await readStates(sql)).filter((state) => state === 'skipped: too_late').length;
  expect(await states()).toBe(5);
  await sendReminders(sql, '2031-05-10T11:01:10Z', 100);
  expect(await states()).toBe(19);
});

const HOUR = 3600;

test('a row made when its moment is past is not told of it: 71.9 hours are not three days', async () => {
  const { sql } = db();
  await remind(sql, { before: ['3 days', '1 day'] });
  const now = new Date();
  await book({ id: 1, starts_at: plus(now, 71.9 * HOUR) });
  await book({ id: 2, starts_at: plus(now, 72.1 * HOUR) });
  await book({ id: 3, starts_at: plus(now, -0.5 * HOUR) });
  expect(await readMoments(sql)).toMatchObject([
    { row_key: { id: 2 }, before: '3 days' },
    { row_key: { id: 1 }, before: '1 day' },
    { row_key: { id: 2 }, before: '1 day' },
  ]);
  expect(await sendReminders(sql, plus(now, 1))).toBe(0);
});

test('nor is one that moves to there', async () => {
  const { sql } = db();
  await remind(sql, { before: ['3 days'] });
  await book({ starts_at: NOON });
  await sql`update public.bookings set starts_at = ${plus(new Date(), 71.9 * HOUR)}`;
  expect(await readMoments(sql)).toEqual([]);
});

test('nor is a good row that is written together with a bad one', async () => {
  const { sql } = db();
  await remind(sql, { at: `new.starts_at + interval '1 hour' * (1 / new.amount - 1)` });
  const at = plus(new Date(), 0.9 * HOUR);
  await sql`
    insert into public.bookings (id, guest_id, starts_at, amount)
    values (1, ${guest()}, ${at}, 1), (2, ${guest()}, ${at}, 0), (3, ${guest()}, ${plus(at, HOUR)}, 1)`;
  expect(await readMoments(sql)).toMatchObject([{ row_key: { id: 3 } }]);
});

test('what is about the time itself or comes after it is still true a little later, and is sent', async () => {
  const { sql } = db();
  await remind(sql, { before: ['0', '-1 hour'] });
  const now = new Date();
  await book({ id: 1, starts_at: plus(now, -60) });
  await book({ id: 2, starts_at: plus(now, -HOUR - 60) });
  expect(await sendReminders(sql, plus(now, 1))).toBe(2);
});

test('rows that are there when it is declared are told within the grace', async () => {
  const { sql } = db();
  const now = new Date();
  await book({ starts_at: plus(now, 50 * 60) });
  await remind(sql, { now });
  expect(await sendReminders(sql, plus(now, 1))).toBe(1);
});

test('a row moved to where its moment is long past has none', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await sql`update public.bookings set starts_at = ${plus(new Date(), 30 * 60)}`;
  expect(await readMoments(sql)).toEqual([]);
});

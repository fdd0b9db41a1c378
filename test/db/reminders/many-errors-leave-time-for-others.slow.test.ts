import { expect, test } from 'vitest';
import { readReminderErrors, remind, sendReminders, useBookings } from '../../support/reminders.ts';
import { readTitles } from '../../support/rules.ts';

const { db, guest } = useBookings();

const NOON = '2031-05-10T12:00:00Z';
const DUE = '2031-05-10T11:00:00Z';

test('a tick looks for no more than a batch of bad rows, and the next ones go on from there', async () => {
  const { sql } = db();
  await remind(sql, { title: `'Worth ' || (1 / new.amount)::integer` });
  await sql`
    insert into public.bookings (id, guest_id, starts_at, amount)
    select n, ${guest()}, ${NOON}::timestamptz, case when n > 1200 then 1 else 0 end from generate_series(1, 1201) as n`;
  expect(await sendReminders(sql, DUE)).toBe(0);
  expect(await readReminderErrors(sql)).toHaveLength(500);
  expect(await sendReminders(sql, DUE)).toBe(0);
  expect(await sendReminders(sql, DUE)).toBe(1);
  expect(await readTitles(sql)).toEqual(['Worth 1']);
  expect(await readReminderErrors(sql)).toHaveLength(1200);
});

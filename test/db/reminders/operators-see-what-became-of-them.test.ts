import { expect, test } from 'vitest';
import { connectBell } from '../../support/bell.ts';
import { plus } from '../../support/queue.ts';
import { readStates, remind, sendReminders, useBookings } from '../../support/reminders.ts';

const { db, book } = useBookings();

const DAY = 86_400;
const NOON = new Date('2031-05-10T12:00:00Z');
const DUE = plus(NOON, -3600);

async function clean(now: Date, limit = 1000): Promise<Record<string, number>> {
  const [row] = await db().sql`select push.clean(${limit}, ${now}) as cleaned`;
  return row?.cleaned;
}

async function health(now: Date) {
  const { sql } = db();
  await connectBell(sql);
  await sql`delete from cron.job_run_details`;
  await sql`
    insert into cron.job_run_details (jobid, runid, status, start_time, end_time)
    select jobid, 1, 'succeeded', ${now}, ${now} from cron.job where jobname = 'supapush-tick'`;
  const [row] = await sql`select public.push_health(${now}) as health`;
  return row?.health;
}

test('moments that are settled go when the log has kept them long enough, a batch at a time', async () => {
  const { sql } = db();
  await remind(sql);
  for (const id of [1, 2, 3]) await book({ id, starts_at: NOON });
  await book({ id: 4, starts_at: plus(NOON, 100 * DAY) });
  await sendReminders(sql, DUE);
  expect(await clean(plus(DUE, 30 * DAY - 1))).toMatchObject({ reminder_moments: 0 });
  expect(await clean(plus(DUE, 30 * DAY), 2)).toMatchObject({ reminder_moments: 2 });
  expect(await clean(plus(DUE, 30 * DAY), 2)).toMatchObject({ reminder_moments: 1 });
  expect(await readStates(sql)).toEqual(['waiting']);
});

test('errors go after their time', async () => {
  const { sql } = db();
  await remind(sql, { title: '(1 / new.amount)::text' });
  await book({ starts_at: NOON, amount: 0 });
  await sendReminders(sql, DUE);
  expect(await clean(plus(DUE, 29 * DAY))).toMatchObject({ reminder_errors: 0 });
  expect(await clean(plus(DUE, 30 * DAY))).toMatchObject({ reminder_errors: 1 });
});

test('health counts what is overdue and what failed, and says when reminders are not sent', async () => {
  const { sql } = db();
  await remind(sql, { title: '(1 / new.amount)::text' });
  await book({ starts_at: NOON, amount: 0 });
  expect(await health(plus(DUE, 59))).toMatchObject({ healthy: true, reminders: { overdue: 0, errors: 0 } });
  const late = await health(plus(DUE, 60));
  expect(late).toMatchObject({ healthy: false, reminders: { overdue: 1 } });
  expect(late.reasons).toMatchObject([{ code: 'reminders_overdue' }]);
  await sendReminders(sql, plus(DUE, 60));
  expect(await health(plus(DUE, 61))).toMatchObject({ healthy: true, reminders: { overdue: 0, errors: 1 } });
  expect(await health(plus(DUE, 3661))).toMatchObject({ reminders: { errors: 0 } });
});

test('what is due, what is old and what failed is found by index', async () => {
  const { sql } = db();
  await remind(sql);
  await sql`
    insert into public.bookings (id, starts_at)
    select n, ${NOON}::timestamptz + n * interval '1 hour' from generate_series(1, 5000) as n`;
  await sql`update push.reminder_moments set state = 'sent', ended_at = due_at where id % 2 = 0`;
  await sql`analyze push.reminder_moments`;
  const planOf = async (query: string) => {
    const [row] = await sql.unsafe(`explain (format json) ${query}`);
    return JSON.stringify(row);
  };
  const due = `'${DUE.toISOString()}'`;
  expect(
    await planOf(
      `select id from push.reminder_moments where state = 'waiting' and try_at <= ${due} order by try_at, id limit 500`,
    ),
  ).toContain('reminder_moments_due_idx');
  expect(
    await planOf(
      `select id from push.reminder_moments where ended_at <= ${due} order by ended_at limit 1000`,
    ),
  ).toContain('reminder_moments_ended_idx');
});

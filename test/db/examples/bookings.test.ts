import { beforeEach, expect, test } from 'vitest';
import { asUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { sendReminders } from '../../support/reminders.ts';
import { readRuleErrors } from '../../support/rules.ts';
import { useExample } from '../../support/use-example.ts';

const { db, users, heard } = useExample('bookings', ['sara', 'gus', 'mia']);

// Sara owns the studio, Gus has asked for a time, and Sara has heard of that.
let booking: string;
beforeEach(async () => {
  const { sql } = db();
  const { sara, gus } = users();
  const [studio] = await asUser(
    sql,
    sara,
    (t) => t`insert into public.studios (name) values ('Lotus') returning id`,
  );
  const [row] = await asUser(
    sql,
    gus,
    (t) => t`
      insert into public.bookings (studio_id, starts_at) values (${studio?.id}, '2030-06-01 08:00+00') returning id`,
  );
  booking = row?.id as string;
});

async function setStatus(by: string, status: string): Promise<number> {
  const { count } = await asUser(
    db().sql,
    by,
    (t) => t`update public.bookings set status = ${status} where id = ${booking}`,
  );
  return count;
}

const ASKED = 'New booking / Lotus, 1 June, 10:00';

test('the studio hears of a request, the guest of the answer', async () => {
  expect(await heard()).toEqual({ sara: [ASKED] });
  await setStatus(users().sara, 'confirmed');
  expect(await heard()).toEqual({
    sara: [ASKED],
    gus: ['Your booking is confirmed / Lotus, 1 June, 10:00'],
  });
});

test('of a cancellation hears who did not do it', async () => {
  await setStatus(users().gus, 'cancelled');
  expect(await heard()).toEqual({ sara: [ASKED, 'Booking cancelled / Lotus, 1 June, 10:00'] });
  await db().sql`update public.bookings set status = 'confirmed'`;
  await db().sql`delete from public.push_notifications`;
  await setStatus(users().sara, 'cancelled');
  expect(await heard()).toEqual({ gus: ['Booking cancelled / Lotus, 1 June, 10:00'] });
});

test('when a server cancels, both hear of it', async () => {
  await db().sql`delete from public.push_notifications`;
  await db().sql`update public.bookings set status = 'cancelled' where id = ${booking}`;
  expect(Object.keys(await heard()).sort()).toEqual(['gus', 'sara']);
  expect(await readRuleErrors(db().sql)).toEqual([]);
});

test('a guest confirms nothing, and a stranger sees and changes nothing', async () => {
  const { gus, mia } = users();
  expect((await refusalOf(setStatus(gus, 'confirmed'))).sqlstate).toBe('42501');
  expect(await setStatus(mia, 'cancelled')).toBe(0);
  expect(await asUser(db().sql, mia, (t) => t`select from public.bookings where id = ${booking}`)).toEqual(
    [],
  );
  expect(await heard()).toEqual({ sara: [ASKED] });
});

test('a confirmed booking is reminded of a day and an hour before, and no other', async () => {
  const { sql } = db();
  await sql`delete from public.bookings where id <> ${booking}`;
  await sendReminders(sql, '2030-05-31T08:00:00Z');
  expect(await heard()).toEqual({ sara: [ASKED] });
  await setStatus(users().sara, 'confirmed');
  await sql`delete from public.push_notifications`;
  await sendReminders(sql, '2030-06-01T07:00:00Z');
  expect(await heard()).toEqual({ gus: ['Your booking in an hour / Lotus, 1 June, 10:00'] });

  await sql`update public.bookings set starts_at = '2030-06-03 08:00+00' where id = ${booking}`;
  await sendReminders(sql, '2030-06-02T08:00:00Z');
  expect((await heard()).gus?.at(-1)).toBe('Your booking tomorrow / Lotus, 3 June, 10:00');
  await setStatus(users().gus, 'cancelled');
  await sendReminders(sql, '2030-06-03T07:00:00Z');
  expect((await heard()).gus).toHaveLength(2);
});

import { expect, test } from 'vitest';
import {
  readMoments,
  readStates,
  readWaiting,
  remind,
  sendReminders,
  useBookings,
} from '../../support/reminders.ts';
import { readTitles } from '../../support/rules.ts';
import { endsOrWaits, withSessions } from '../../support/sessions.ts';

const { db, guest, book } = useBookings();

const NOON = '2031-05-10T12:00:00Z';
const EVENING = '2031-05-10T18:00:00Z';
const DUE = '2031-05-10T11:00:00Z';

test('at the next tick nothing is sent again', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  expect(await sendReminders(sql, DUE)).toBe(1);
  expect(await sendReminders(sql, '2031-05-10T11:00:10Z')).toBe(0);
});

test('moved after it was sent, the new moment gets a reminder of its own', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await sendReminders(sql, DUE);
  await sql`update public.bookings set starts_at = ${EVENING}`;
  expect(await sendReminders(sql, '2031-05-10T17:00:00Z')).toBe(1);
  expect(await readStates(sql)).toEqual(['sent', 'sent']);
});

test('moved away and back after it was sent, it is not sent again', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await sendReminders(sql, DUE);
  await sql`update public.bookings set starts_at = ${EVENING}`;
  await sql`update public.bookings set starts_at = ${NOON}`;
  expect(await sendReminders(sql, '2031-05-10T11:01:00Z')).toBe(0);
  expect(await readStates(sql)).toEqual(['sent', 'skipped: sent_before']);
});

test('moved away and back before it was due, it is sent', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await sql`update public.bookings set starts_at = ${EVENING}`;
  await sql`update public.bookings set starts_at = ${NOON}`;
  expect(await sendReminders(sql, DUE)).toBe(1);
});

test('declared again, what was sent is not repeated and the rest is', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ id: 1, starts_at: NOON });
  await book({ id: 2, starts_at: EVENING });
  await sendReminders(sql, DUE);
  await remind(sql, { title: `'Sooner'`, before: ['60 minutes', '30 minutes'] });
  expect(await sendReminders(sql, '2031-05-10T11:05:00Z')).toBe(0);
  expect(await readWaiting(sql)).toHaveLength(3);
  expect(await sendReminders(sql, '2031-05-10T17:00:00Z')).toBe(1);
  expect(await readTitles(sql)).toEqual(['Soon', 'Sooner']);
});

test('even were its moment forgotten, the same message is not made twice', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await sendReminders(sql, DUE);
  await sql`select push.unremind('booking')`;
  await remind(sql);
  expect(await readWaiting(sql)).toHaveLength(1);
  expect(await sendReminders(sql, DUE)).toBe(0);
});

test('of two ticks at once each takes what the other does not hold, and neither waits', async () => {
  const { sql, url } = db();
  await remind(sql, { title: `'b' || new.id` });
  for (const id of [1, 2, 3]) await book({ id, starts_at: NOON });
  await withSessions(url, 2, async (first, second) => {
    if (!first || !second) throw new Error('two sessions');
    await first.sql`begin`;
    expect(await sendReminders(first.sql, DUE, 2)).toBe(2);
    const other = sendReminders(second.sql, DUE);
    expect(await endsOrWaits(sql, second, other)).toBe('ends');
    expect(await other).toBe(1);
    await first.sql`commit`;
  });
  expect(await readTitles(sql)).toEqual(['b1', 'b2', 'b3']);
  expect(await sendReminders(sql, DUE)).toBe(0);
});

test('many ticks at once tell everybody once', async () => {
  const { sql, url } = db();
  await remind(sql, { title: `'b' || new.id` });
  await sql`
    insert into public.bookings (id, guest_id, starts_at)
    select n, ${guest()}::uuid, ${NOON}::timestamptz from generate_series(1, 300) as n`;
  await withSessions(url, 6, async (...sessions) => {
    const told = await Promise.all(
      sessions.flatMap((session) => Array.from({ length: 5 }, () => sendReminders(session.sql, DUE, 20))),
    );
    expect(told.reduce((sum, one) => sum + one, 0) + (await sendReminders(sql, DUE))).toBe(300);
  });
  expect(new Set(await readTitles(sql)).size).toBe(300);
  expect(await sql`select from public.push_notifications`).toHaveLength(300);
});

test('a tick that is rolled back has sent nothing, and the next one does', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await sql
    .begin(async (t) => {
      expect(await sendReminders(t as never, DUE)).toBe(1);
      throw new Error('killed');
    })
    .catch(() => undefined);
  expect(await sendReminders(sql, DUE)).toBe(1);
});

test('a row that moves while its reminder is being sent does not wait for that', async () => {
  const { sql, url } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await withSessions(url, 2, async (ticking, app) => {
    if (!ticking || !app) throw new Error('two sessions');
    await ticking.sql`begin`;
    await sendReminders(ticking.sql, DUE);
    const move = app.sql`update public.bookings set starts_at = ${EVENING}`.then(() => undefined);
    expect(await endsOrWaits(sql, app, move)).toBe('ends');
    await move;
    // It died before its commit: the moment is there again, and the row has moved on.
    await ticking.sql`rollback`;
  });
  expect(await sendReminders(sql, DUE)).toBe(0);
  expect(await readMoments(sql)).toMatchObject([
    { state: 'skipped', reason: 'moved' },
    { state: 'waiting', due_at: new Date('2031-05-10T17:00:00Z') },
  ]);
});

test('a move that is not committed yet holds up no tick, and counts from its commit', async () => {
  const { sql, url } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await withSessions(url, 2, async (app, ticking) => {
    if (!app || !ticking) throw new Error('two sessions');
    await app.sql`begin`;
    await app.sql`update public.bookings set starts_at = ${EVENING}`;
    const tick = sendReminders(ticking.sql, DUE);
    expect(await endsOrWaits(sql, ticking, tick)).toBe('ends');
    expect(await tick).toBe(0);
    await app.sql`commit`;
  });
  expect(await readWaiting(sql)).toEqual(['2031-05-10T17:00:00.000Z']);
});

test('a row whose transaction ends after its moment is found at the next tick', async () => {
  const { sql, url } = db();
  await remind(sql);
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql`begin`;
    await app.sql`insert into public.bookings (id, guest_id, starts_at) values (1, ${guest()}, ${NOON})`;
    expect(await sendReminders(sql, DUE)).toBe(0);
    await app.sql`commit`;
  });
  expect(await sendReminders(sql, '2031-05-10T11:00:10Z')).toBe(1);
});

test.each(['repeatable read', 'serializable'])('a row that moves in %s', async (level) => {
  const { sql, url } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  await withSessions(url, 1, async (app) => {
    if (!app) throw new Error('one session');
    await app.sql.unsafe(`begin isolation level ${level}`);
    await app.sql`select from public.bookings`;
    await sendReminders(sql, DUE);
    const moved = await app.sql`update public.bookings set starts_at = ${EVENING}`.then(
      () => 'moved',
      (error: { code?: string }) => error.code,
    );
    await app.sql.unsafe(moved === 'moved' ? 'commit' : 'rollback');
    // Either it goes through with its reminder, or it is asked to try again: never without.
    expect(['moved', '40001']).toContain(moved);
    expect(await readWaiting(sql)).toEqual(moved === 'moved' ? ['2031-05-10T17:00:00.000Z'] : []);
  });
});

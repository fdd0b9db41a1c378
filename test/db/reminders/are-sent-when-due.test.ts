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
import { readTitles, readTold } from '../../support/rules.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { saveTemplates } from '../../support/templates.ts';

const { db, guest, other, book } = useBookings();

const NOON = '2031-05-10T12:00:00Z';

test('an hour before, and not earlier', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ starts_at: NOON });
  expect(await sendReminders(sql, '2031-05-10T10:59:59Z')).toBe(0);
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(1);
  expect(await readTold(sql)).toEqual([
    { user_id: guest(), title: 'Soon', body: null, url: null, params: {} },
  ]);
  expect(await readStates(sql)).toEqual(['sent']);
});

test('the tick sends them, and their deliveries are queued by it', async () => {
  const { sql } = db();
  await subscribe(sql, guest());
  await remind(sql);
  await book({ starts_at: NOON });
  const [row] = await sql`select push.tick('2031-05-10T11:00:05Z') as result`;
  expect(row?.result).toMatchObject({ reminded: 1 });
  expect(await sql`select from push.deliveries where state = 'queued'`).toHaveLength(1);
});

test('several offsets, each at its moment, before and after', async () => {
  const { sql } = db();
  await remind(sql, {
    before: ['1 day', '1 hour', '0', '-2 hours'],
    title: `moment.before::text || ' / ' || extract(epoch from moment.at - moment.due_at)`,
  });
  await book({ starts_at: NOON });
  expect(await readWaiting(sql)).toEqual([
    '2031-05-09T12:00:00.000Z',
    '2031-05-10T11:00:00.000Z',
    '2031-05-10T12:00:00.000Z',
    '2031-05-10T14:00:00.000Z',
  ]);
  for (const at of ['2031-05-09T12:00Z', '2031-05-10T11:00Z', '2031-05-10T12:00Z', '2031-05-10T14:00Z'])
    expect(await sendReminders(sql, at)).toBe(1);
  expect(await readTitles(sql)).toEqual([
    '-02:00:00 / -7200.000000',
    '00:00:00 / 0.000000',
    '01:00:00 / 3600.000000',
    '1 day / 86400.000000',
  ]);
  expect(await readReminderErrors(sql)).toEqual([]);
});

test('links and presentation are made of the row: a name with a space in it does not cost the message', async () => {
  const { sql } = db();
  await remind(sql, {
    url: `'/guests/' || new.note`,
    presentation: `jsonb_build_object('thread', 'booking:' || new.id, 'interruption_level', 'time-sensitive')`,
  });
  await book({ id: 7, starts_at: NOON, note: 'Anna\tB.' });
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(1);
  const rows = await sql`select url, presentation from public.push_notifications`;
  expect([...rows]).toEqual([
    { url: '/guests/Anna%09B.', presentation: { thread: 'booking:7', interruption_level: 'time-sensitive' } },
  ]);
});

test('the message is what the expressions say', async () => {
  const { sql } = db();
  await sql`select push.define_digest('bookings', '1 hour')`;
  await saveTemplates(sql, { key: 'booking_soon', title: 'Soon' });
  await remind(sql, {
    title: `'Table ' || new.id`,
    body: `to_char(new.starts_at at time zone 'Europe/Berlin', 'HH24:MI')`,
    url: `'/bookings/' || new.id`,
    params: `jsonb_build_object('booking', new.id)`,
    tag: `'booking:' || new.id`,
    digestKey: `'bookings:' || new.id`,
    template: 'booking_soon',
    category: 'bookings',
    urgency: 'high',
    ttl: 600,
  });
  await book({ starts_at: NOON });
  await sendReminders(sql, '2031-05-10T11:00:00Z');
  const rows = await sql`
    select title, body, url, params, tag, digest_key, template, category, urgency, ttl, expires_at
    from public.push_notifications`;
  expect([...rows]).toEqual([
    {
      title: 'Table 1',
      body: '14:00',
      url: '/bookings/1',
      params: { booking: 1 },
      tag: 'booking:1',
      digest_key: 'bookings:1',
      template: 'booking_soon',
      category: 'bookings',
      urgency: 'high',
      ttl: 600,
      expires_at: new Date('2031-05-10T11:10:00Z'),
    },
  ]);
});

test('what announces something matters as long as its template says', async () => {
  const { sql } = db();
  await saveTemplates(sql, { key: 'booking_brief', title: 'Soon', ttl: 600, sample: {} });
  await remind(sql, { title: null, template: 'booking_brief' });
  await book({ starts_at: NOON });
  await sendReminders(sql, '2031-05-10T11:00:00Z');
  const rows = await sql`select ttl, expires_at from public.push_notifications`;
  expect([...rows]).toEqual([{ ttl: 600, expires_at: new Date('2031-05-10T11:10:00Z') }]);
});

test('what the expressions do not say, the template does', async () => {
  const { sql } = db();
  await saveTemplates(sql, {
    key: 'booking_near',
    title: 'Table {{booking}} soon',
    url: '/bookings/{{booking}}',
    urgency: 'high',
    sample: { booking: 1 },
  });
  await remind(sql, {
    title: null,
    params: `jsonb_build_object('booking', new.id)`,
    template: 'booking_near',
  });
  await book({ starts_at: NOON });
  await sendReminders(sql, '2031-05-10T11:00:00Z');
  const rows = await sql`select title, url, urgency from public.push_notifications`;
  expect([...rows]).toEqual([{ title: 'Table 1 soon', url: '/bookings/1', urgency: 'high' }]);
});

test('what announces something expires when that begins', async () => {
  const { sql } = db();
  await remind(sql, { before: ['1 hour', '-1 hour'], title: 'moment.before::text' });
  await book({ starts_at: NOON });
  await sendReminders(sql, '2031-05-10T11:00:00Z');
  await sendReminders(sql, '2031-05-10T13:00:00Z');
  const rows = await sql`select title, expires_at from public.push_notifications order by title desc`;
  expect(rows[0]).toEqual({ title: '01:00:00', expires_at: new Date(NOON) });
  expect(rows[1]?.title).toBe('-01:00:00');
  expect(rows[1]?.expires_at.getTime()).not.toBe(new Date(NOON).getTime());
});

test('one expires when its expression says, and as ever where that says nothing', async () => {
  const { sql } = db();
  await remind(sql, {
    title: 'new.id::text',
    collapseKey: 'next_booking',
    expiresAt: `case new.id when 1 then moment.at + interval '2 hours' end`,
  });
  for (const id of [1, 2]) await book({ id, starts_at: NOON });
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(2);
  const rows =
    await sql`select title, collapse_key, expires_at from public.push_notifications order by title`;
  expect([...rows]).toEqual([
    { title: '1', collapse_key: 'next_booking', expires_at: new Date('2031-05-10T14:00:00Z') },
    { title: '2', collapse_key: 'next_booking', expires_at: new Date(NOON) },
  ]);
});

test.each([
  ['a user id', 'new.guest_id', 1],
  ['an array', 'array[new.guest_id, new.guest_id]', 1],
  ['a query', 'select u.id from auth.users as u', 2],
  ['a query that finds no user', 'select u.id from auth.users as u where false', 0],
  ['null', 'null::uuid', 0],
  ['an id that is no user', 'gen_random_uuid()', 0],
])('recipients may be %s', async (_what, recipients, told) => {
  const { sql } = db();
  await remind(sql, { recipients });
  await book({ starts_at: NOON });
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(told);
  expect(await readStates(sql)).toEqual([told === 0 ? 'skipped: no_recipients' : 'sent']);
});

test('the recipients, and whether it is sent, are decided when it is due, on the row as it is then', async () => {
  const { sql } = db();
  await remind(sql, { condition: `new.status = 'confirmed'`, title: 'new.note' });
  await book({ id: 1, starts_at: NOON, note: 'old' });
  await book({ id: 2, starts_at: NOON });
  await book({ id: 3, starts_at: NOON, status: null, note: 'never' });
  await sql`update public.bookings set note = 'new', guest_id = ${other()} where id = 1`;
  await sql`update public.bookings set status = 'cancelled' where id = 2`;
  await sendReminders(sql, '2031-05-10T11:00:00Z');
  expect(await readTold(sql)).toMatchObject([{ user_id: other(), title: 'new' }]);
  expect(await readStates(sql)).toEqual(['sent', 'skipped: condition', 'skipped: condition']);
});

test('no text is made of a row whose condition does not hold', async () => {
  const { sql } = db();
  await remind(sql, { condition: 'new.amount > 0', title: '(1 / new.amount)::text' });
  await book({ starts_at: NOON, amount: 0 });
  await sendReminders(sql, '2031-05-10T11:00:00Z');
  expect(await readReminderErrors(sql)).toEqual([]);
});

test('a row without a time, or at no time ever, has none', async () => {
  const { sql } = db();
  await remind(sql);
  await book({ id: 1, starts_at: null });
  await sql`insert into public.bookings (id, guest_id, starts_at) values (2, ${guest()}, 'infinity'), (3, ${guest()}, '-infinity')`;
  expect(await readMoments(sql)).toEqual([]);
  expect(await readReminderErrors(sql)).toEqual([]);
});

test('rows that are there already are reminded of, those that are past are not', async () => {
  const { sql } = db();
  await book({ id: 1, starts_at: NOON });
  await book({ id: 2, starts_at: '2020-05-10T12:00:00Z' });
  await remind(sql);
  expect(await readMoments(sql)).toMatchObject([{ row_key: { id: 1 }, state: 'waiting' }]);
});

test('no more at once than asked for, the oldest first', async () => {
  const { sql } = db();
  await remind(sql, { title: `'b' || new.id` });
  for (const id of [3, 1, 2]) await book({ id, starts_at: `2031-05-10T12:0${id}:00Z` });
  expect(await sendReminders(sql, '2031-05-10T11:05:00Z', 2)).toBe(2);
  expect(await readTitles(sql)).toEqual(['b1', 'b2']);
  expect(await sendReminders(sql, '2031-05-10T11:05:00Z', 2)).toBe(1);
});

test('two reminders of one table do not meet', async () => {
  const { sql } = db();
  await remind(sql, { name: 'first', title: `'first'` });
  await remind(sql, { name: 'second', title: `'second'`, before: ['2 hours'] });
  await book({ starts_at: NOON });
  await sendReminders(sql, '2031-05-10T10:00:00Z');
  expect(await readTitles(sql)).toEqual(['second']);
  await sendReminders(sql, '2031-05-10T11:00:00Z');
  expect(await readTitles(sql)).toEqual(['first', 'second']);
});

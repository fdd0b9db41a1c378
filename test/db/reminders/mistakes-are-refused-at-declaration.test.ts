import { afterEach, expect, test } from 'vitest';
import { asAnon, asService, asUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { type Reminder, readWaiting, remind, sendReminders, useBookings } from '../../support/reminders.ts';
import { readTitles } from '../../support/rules.ts';

const { db, guest, book } = useBookings();
afterEach(async () => {
  await db().sql.unsafe(
    'drop view if exists public.seen; drop table if exists public.keyless, public.listed',
  );
});

const COMPILE = 'reminder_does_not_compile';

test.each<[string, Reminder, string]>([
  ['a misspelt column in the time', { at: 'new.start_at' }, COMPILE],
  ['a misspelt column in the title', { title: 'new.nota' }, COMPILE],
  ['a misspelt column in the body', { body: 'new.nota' }, COMPILE],
  ['a misspelt column in the url', { url: 'new.nota' }, COMPILE],
  ['a misspelt column in the params', { params: `jsonb_build_object('a', new.nota)` }, COMPILE],
  ['a misspelt column in the condition', { condition: `new.state = 'confirmed'` }, COMPILE],
  ['a misspelt column in the recipients', { recipients: 'new.guest' }, COMPILE],
  ['a misspelt column in the tag', { tag: 'new.nota' }, COMPILE],
  ['a misspelt column in the digest key', { digestKey: 'new.nota' }, COMPILE],
  ['a misspelt column in the time zone', { timezone: 'new.nota' }, COMPILE],
  ['a time zone without quotes', { timezone: 'Europe/Berlin' }, COMPILE],
  ['a time of its own in the text', { title: 'moment.time::text' }, COMPILE],
  ['the moment in the time', { at: 'moment.at' }, COMPILE],
  ['the row before a change', { title: 'old.note' }, COMPILE],
  ['a function without its schema', { title: 'my_title(new.note)' }, COMPILE],
  ['a table without its schema', { recipients: 'select guest_id from bookings' }, COMPILE],
  ['a syntax error', { title: `'a' ||` }, COMPILE],
  ['a closing bracket too many', { condition: 'true)' }, COMPILE],
  ['a second statement', { title: `'a'; drop table public.bookings; --` }, COMPILE],
  ['a second statement in the time', { at: 'new.starts_at); drop table public.bookings; --' }, COMPILE],
  ['an empty title', { title: '' }, COMPILE],
  ['an aggregate as the time', { at: 'max(new.starts_at)' }, COMPILE],
  ['a condition that is no boolean', { condition: 'new.note' }, COMPILE],
  ['recipients that are no user ids', { recipients: 'new.note' }, COMPILE],
  ['a local time', { at: `new.starts_at at time zone 'UTC'` }, 'reminder_time_without_zone'],
  ['a misspelt column in the time to expire at', { expiresAt: 'new.ends_at' }, COMPILE],
  ['a local time to expire at', { expiresAt: `new.starts_at at time zone 'UTC'` }, COMPILE],
  ['a text as the time to expire at', { expiresAt: 'new.note' }, COMPILE],
  ['a collapse key with a space', { collapseKey: 'a b' }, 'collapse_key_malformed'],
  ['a date', { at: 'new.starts_at::date' }, 'reminder_time_without_zone'],
  ['a text as the time', { at: 'new.note' }, 'reminder_time_without_zone'],
  [
    'a time of another table',
    { at: '(select max(u.created_at) from auth.users as u)' },
    'reminder_time_not_of_its_row',
  ],
  [
    'a zone of another table',
    { timezone: '(select u.email from auth.users as u limit 1)' },
    'reminder_time_not_of_its_row',
  ],
  ['no time', { at: null }, 'reminder_incomplete'],
  ['no recipients', { recipients: null }, 'reminder_incomplete'],
  ['neither title nor template', { title: null }, 'reminder_incomplete'],
  ['no offset', { before: [] }, 'reminder_before_malformed'],
  ['null as offsets', { before: null }, 'reminder_before_malformed'],
  ['null among the offsets', { before: ['1 hour', 'null'] }, 'reminder_before_malformed'],
  ['an offset twice', { before: ['1 hour', '60 minutes'] }, 'reminder_before_malformed'],
  [
    'too many offsets',
    { before: Array.from({ length: 21 }, (_, n) => `${n} minutes`) },
    'reminder_before_malformed',
  ],
  ['a grace that no tick keeps', { grace: '59 seconds' }, 'reminder_grace_out_of_range'],
  ['a grace of years', { grace: '2 years' }, 'reminder_grace_out_of_range'],
  ['null as grace', { grace: null }, 'reminder_grace_out_of_range'],
  ['an unknown urgency', { urgency: 'urgent' }, 'urgency_unknown'],
  ['a ttl out of range', { ttl: -1 }, 'ttl_out_of_range'],
  ['a category that is too long', { category: 'x'.repeat(101) }, 'category_too_long'],
  ['a category of a colon', { category: ':' }, 'category_malformed'],
  ['a url that leads elsewhere', { url: `'//evil.tld'` }, 'url_malformed'],
  ['a presentation that no device shows', { presentation: `'{"sound": 1}'` }, 'presentation_malformed'],
  ['no name', { name: null }, 'reminder_name_malformed'],
  ['a name of 41 characters', { name: 'x'.repeat(41) }, 'reminder_name_malformed'],
  ['a name with a quote', { name: `a"; drop table public.bookings; --` }, 'reminder_name_malformed'],
])('%s', async (_what, reminder, code) => {
  const { sql } = db();
  expect(await refusalOf(remind(sql, reminder))).toMatchObject({
    sqlstate: 'PT400',
    code,
    message: expect.stringMatching(/\w{3}/),
    hint: expect.stringMatching(/\S/),
  });
  expect(await sql`select from push.reminders`).toHaveLength(0);
  const triggers =
    await sql`select from pg_trigger where tgrelid = 'public.bookings'::regclass and not tgisinternal`;
  expect(triggers).toHaveLength(0);
});

test.each([
  [
    'a view',
    'create view public.seen as select * from public.bookings',
    'public.seen',
    'reminder_table_unsuitable',
  ],
  [
    'a table without a primary key',
    'create table public.keyless as select * from public.bookings',
    'public.keyless',
    'reminder_needs_primary_key',
  ],
  [
    'a table with a list as its key',
    'create table public.listed (id integer[] primary key, guest_id uuid, starts_at timestamptz)',
    'public.listed',
    'reminder_key_unsuitable',
  ],
])('%s', async (_what, statement, table, code) => {
  const { sql } = db();
  await sql.unsafe(statement);
  expect(await refusalOf(remind(sql, { table }))).toMatchObject({ sqlstate: 'PT400', code });
});

test('a replacement that is refused leaves the reminder as it was', async () => {
  const { sql } = db();
  await remind(sql, { title: `'old'` });
  await book({ starts_at: '2031-05-10T12:00:00Z' });
  await refusalOf(remind(sql, { title: 'new.nota' }));
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(1);
  expect(await readTitles(sql)).toEqual(['old']);
});

test('removed, it leaves nothing, and one whose name begins alike stays', async () => {
  const { sql } = db();
  await remind(sql, { name: 'booking' });
  await remind(sql, { name: 'booking_insert' });
  await book({ starts_at: '2031-05-10T12:00:00Z' });
  const unremind = async (name: string) => (await sql`select push.unremind(${name}) as found`)[0]?.found;
  expect(await unremind('booking')).toBe(true);
  expect(await unremind('booking')).toBe(false);
  expect(await readWaiting(sql)).toHaveLength(1);
  expect(await unremind('booking_insert')).toBe(true);
  expect(await readWaiting(sql)).toHaveLength(0);
  const left = await sql`
    select proname as name from pg_proc where pronamespace = 'push'::regnamespace and proname like 'reminder\\_booking%'
    union all select tgname from pg_trigger where tgrelid = 'public.bookings'::regclass and not tgisinternal`;
  expect([...left]).toEqual([]);
});

test('a name of 40 characters works', async () => {
  const { sql } = db();
  const name = 'x'.repeat(40);
  await remind(sql, { name });
  await remind(sql, { name });
  await book({ starts_at: '2031-05-10T12:00:00Z' });
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(1);
});

test('a comment at the end of an expression swallows nothing', async () => {
  const { sql } = db();
  const comment = (text: string) => `${text} -- so it is`;
  await remind(sql, {
    at: comment('new.starts_at'),
    title: comment(`'Soon'`),
    condition: comment('true'),
    recipients: comment('new.guest_id'),
    timezone: comment(`'UTC'`),
    tag: comment('new.note'),
    expiresAt: comment('moment.at'),
  });
  await book({ starts_at: '2031-05-10T12:00:00Z' });
  expect(await sendReminders(sql, '2031-05-10T11:00:00Z')).toBe(1);
});

test.each(['anon', 'authenticated', 'service_role'])(
  '%s can neither declare nor call any of it',
  async (role) => {
    const { sql } = db();
    await remind(sql);
    const as = (text: string) => {
      const work = (t: { unsafe: typeof sql.unsafe }) => t.unsafe(text);
      if (role === 'anon') return asAnon(sql, work);
      return role === 'service_role' ? asService(sql, work) : asUser(sql, guest(), work);
    };
    for (const call of [
      `push.remind('evil', 'public.bookings', 'now()', '{0}', 'null::uuid', '''x''')`,
      `push.unremind('booking')`,
      `push.send_reminders(1)`,
      'push.reminder_booking_insert()',
      'push.reminder_booking_truncate()',
    ])
      expect((await refusalOf(as(`select ${call}`))).sqlstate).toBe('42501');
    const open = await sql`
    select proname from pg_proc where pronamespace = 'push'::regnamespace and proname like 'reminder\\_booking%'
      and (not proconfig @> array['search_path=""'] or obj_description(oid, 'pg_proc') is null)`;
    expect([...open]).toEqual([]);
  },
);

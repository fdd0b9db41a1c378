import { beforeAll, describe, expect, test } from 'vitest';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { type Preferences, prefer, preferOnDevice } from '../../support/preferences.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

let user: string;
let device: string;
beforeAll(async () => {
  user = (await createUser(db().sql)).id;
  device = await subscribe(db().sql, user);
});

const TABLES: [string, (preferences: Preferences) => Promise<void>][] = [
  ['a user', (preferences) => asUser(db().sql, user, (t) => prefer(t, user, preferences))],
  ['a device', (preferences) => asUser(db().sql, user, (t) => preferOnDevice(t, user, device, preferences))],
];

const zone = 'Europe/Vienna';
const hours = { from: '22:00', until: '07:00' };

describe.each(TABLES)('of %s', (_, put) => {
  test.each([
    'europe/vienna',
    'Europe/Wien',
    'Vienna',
    'EST',
    'EST5EDT',
    'CEST',
    'ABC+3',
    'Area/Location+3',
    '<Foo>-5',
    'Etc/GMT+15',
    'Etc/GMT-15',
    'posix/Europe/Vienna',
    'Posix/Europe/Vienna',
    'right/Europe/Vienna',
    'localtime',
    'Europe',
    'Europe/../Europe/Vienna',
    '+02',
    '2',
    ' ',
    '',
    `America/${'a'.repeat(200)}`,
  ])('the timezone %j', async (timezone) => {
    const refusal = await refusalOf(put({ timezone }));
    expect(refusal).toMatchObject({ sqlstate: 'PT400', code: 'timezone_unknown' });
  });

  test('a timezone in other letters, and the hint has the right ones', async () => {
    expect((await refusalOf(put({ timezone: 'europe/vienna' }))).hint).toBe('Write Europe/Vienna.');
  });

  test.each([
    [{ quiet_from: '22:00' }, 'quiet_hours_incomplete'],
    [{ quiet_until: '22:00' }, 'quiet_hours_incomplete'],
    [{ quiet_from: '22:00', quiet_until: '22:00' }, 'quiet_hours_empty'],
    [{ quiet_from: '24:00', quiet_until: '07:00' }, 'quiet_hours_empty'],
  ])('quiet hours that are none: %j', async (preferences, code) => {
    const refusal = await refusalOf(put({ timezone: zone, ...preferences }));
    expect(refusal).toMatchObject({ sqlstate: 'PT400', code });
  });

  test.each([
    [[]],
    ['22:00'],
    [{ 0: hours }],
    [{ 8: hours }],
    [{ monday: hours }],
    [{ 1: [] }],
    [{ 1: 'never' }],
    [{ 1: {} }],
    [{ 1: { from: '22:00' } }],
    [{ 1: { from: '22:00', until: null } }],
    [{ 1: { from: '22:00', until: 7 } }],
    [{ 1: { ...hours, timezone: zone } }],
    [{ 1: { from: '24:00', until: '07:00' } }],
    [{ 1: { from: '22:00', until: '25:00' } }],
    [{ 1: { from: '22:00', until: '22:00:00' } }],
    [{ 1: { from: '9:00', until: '10:00' } }],
    [{ 1: { from: 'now', until: 'allballs' } }],
    [{ 1: hours, 2: { from: '', until: '' } }],
  ])('the weekdays %j', async (quiet_by_weekday) => {
    const refusal = await refusalOf(put({ timezone: zone, quiet_by_weekday }));
    expect(refusal).toMatchObject({ sqlstate: 'PT400', code: 'quiet_by_weekday_malformed' });
  });

  test.each([{ quiet_from: '22:00', quiet_until: '07:00' }, { quiet_by_weekday: { 7: hours } }])(
    'quiet hours without a timezone: %j',
    async (preferences) => {
      expect(await refusalOf(put(preferences))).toMatchObject({
        sqlstate: 'PT400',
        code: 'timezone_missing',
      });
    },
  );

  test.each([
    [['']],
    [[':']],
    [['alerts:']],
    [[':DAX']],
    [['alerts::DAX']],
    [['a\nb']],
    [['ok', 'x'.repeat(101)]],
  ])('the muted categories %j', async (muted_categories) => {
    const refusal = await refusalOf(put({ muted_categories }));
    expect(refusal).toMatchObject({ sqlstate: 'PT400', code: 'muted_categories_malformed' });
  });

  test('more muted categories than the settings allow', async () => {
    const many = Array.from({ length: 101 }, (_value, index) => `c${index}`);
    expect(await refusalOf(put({ muted_categories: many }))).toMatchObject({
      sqlstate: 'PT429',
      code: 'too_many_muted_categories',
    });
    await put({ muted_categories: many.slice(1) });
  });
});

test.each([
  'd',
  'de-',
  'german language',
  'de-AT-toolongsubtag',
  'x'.repeat(9),
  `de${'-abcdefgh'.repeat(5)}`,
  'C-',
  'en US@posix',
])('the locale %j', async (locale) => {
  const refusal = await refusalOf(asUser(db().sql, user, (t) => prefer(t, user, { locale })));
  expect(refusal).toMatchObject({ sqlstate: 'PT400', code: 'locale_malformed' });
});

test('nested or null categories in hand-written SQL', async () => {
  for (const value of [`'{{a,b},{c,d}}'`, `'{a,null}'`]) {
    const update = db().sql.unsafe(
      `insert into public.push_preferences (user_id, muted_categories) values ('${user}', ${value})`,
    );
    expect((await refusalOf(update)).code).toBe('muted_categories_malformed');
  }
});

test('the service role is held to the same', async () => {
  const { sql } = db();
  const refusal = await refusalOf(asService(sql, (t) => prefer(t, user, { timezone: 'CET+1' })));
  expect(refusal.code).toBe('timezone_unknown');
});

test('every place of this Postgres is accepted, in its own letters only', async () => {
  const { sql } = db();
  const places = await sql<{ name: string }[]>`
    select name from pg_timezone_names
    where name ~ '/' and name !~ '^(posix|right)/' and name !~ '0' or name = 'UTC'`;
  expect(places.length).toBeGreaterThan(400);
  await sql.begin(async (t) => {
    for (const { name } of places) await t`select push.check_timezone(${name})`;
  });
  const [zoneAfter] = await sql`select current_setting('timezone') as name`;
  const [zoneBefore] = await sql`select reset_val as name from pg_settings where name = 'TimeZone'`;
  expect(zoneAfter).toEqual(zoneBefore);
});

test.each<Preferences>([
  {},
  { locale: 'de' },
  { locale: 'zh-Hant-TW' },
  { locale: 'sl-rozaj-biske-1994' },
  { timezone: 'America/Argentina/Buenos_Aires' },
  { timezone: 'Etc/GMT+5' },
  { timezone: zone, quiet_from: '00:00', quiet_until: '24:00' },
  {
    timezone: zone,
    quiet_by_weekday: {
      6: { from: '23:00', until: '10:00:30' },
      7: null,
      1: { from: '00:00', until: '24:00' },
    },
  },
  { muted_categories: ['alerts', 'alerts:DAX', 'Deal won', 'Überfällig:heute'] },
  { quiet_by_weekday: {}, muted_categories: null },
])('%j is accepted', async (preferences) => {
  const { sql } = db();
  const { id } = await createUser(sql);
  await asUser(sql, id, (t) => prefer(t, id, preferences));
});

describe.each(TABLES)('of %s, written in two steps', (_, put) => {
  test('quiet hours go with the timezone that is there already, which then has to stay', async () => {
    await put({ timezone: zone });
    await put({ quiet_from: '22:00', quiet_until: '07:00' });
    expect((await refusalOf(put({ timezone: null }))).code).toBe('timezone_missing');
    await put({ timezone: null, quiet_from: null, quiet_until: null });
  });
});

test('locale_of says which language a user wants', async () => {
  const { sql } = db();
  const { id } = await createUser(sql);
  const localeOf = async () => (await sql`select push.locale_of(${id}) as locale`)[0]?.locale;
  expect(await localeOf()).toBe(null);
  await prefer(sql, id, { enabled: true });
  expect(await localeOf()).toBe(null);
  await prefer(sql, id, { locale: 'de-AT' });
  expect(await localeOf()).toBe('de-AT');
});

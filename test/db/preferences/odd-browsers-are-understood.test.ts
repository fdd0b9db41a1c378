import { beforeAll, describe, expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { prefer, preferOnDevice } from '../../support/preferences.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

// What browsers give where the system has no time zone or a POSIX locale: one such value must not cost a user everything else
// that is in the same write.

const db = useDatabase();
const quiet = { quiet_from: '22:00', quiet_until: '07:00' };

let user: string;
let device: string;
beforeAll(async () => {
  user = (await createUser(db().sql)).id;
  device = await subscribe(db().sql, user);
});

const ZONES = [
  ['Etc/Unknown', 'UTC'],
  ['undefined', 'UTC'],
  ['GMT', 'UTC'],
  ['+00:00', 'UTC'],
  ['-00:00', 'UTC'],
  ['+02:00', 'Etc/GMT-2'],
  ['-11:00', 'Etc/GMT+11'],
  ['+05:30', 'Etc/GMT-6'],
  ['Europe/Vienna', 'Europe/Vienna'],
  ['Etc/UTC', 'Etc/UTC'],
] as const;

describe.each(ZONES)('the time zone %s is saved as %s', (given, saved) => {
  test('of a user', async () => {
    await asUser(db().sql, user, (t) => prefer(t, user, { timezone: given, ...quiet }));
    expect(await db().sql`select timezone, quiet_from from public.push_preferences`).toEqual([
      { timezone: saved, quiet_from: '22:00:00' },
    ]);
  });

  test('of a device', async () => {
    await asUser(db().sql, user, (t) => preferOnDevice(t, user, device, { timezone: given, ...quiet }));
    expect(await db().sql`select timezone from public.push_device_preferences`).toEqual([
      { timezone: saved },
    ]);
  });

  test('of an alert', async () => {
    const [alert] = await asUser(
      db().sql,
      user,
      (t) => t`
        insert into public.push_alerts (symbol, condition, threshold, active_from, active_until, timezone)
        values ('DAX', 'above', 1, '08:00', '22:00', ${given}) returning timezone`,
    );
    expect(alert).toEqual({ timezone: saved });
  });
});

test('the clock of an offset is that of the zone it is saved as', async () => {
  const [row] = await db().sql`
    select timestamptz '2026-11-28 12:00+00' at time zone push.timezone_of_browser('+02:00') as clock`;
  expect(row).toEqual({ clock: new Date('2026-11-28T14:00:00Z') });
});

test.for(['+15:00', '-13:00', '+2:00', 'Mars/Olympus'])('%s is still refused', async (timezone) => {
  const refusal = await refusalOf(asUser(db().sql, user, (t) => prefer(t, user, { timezone })));
  expect(refusal).toMatchObject({ sqlstate: 'PT400', code: 'timezone_unknown' });
});

test.for([
  ['en-US@posix', 'en-US'],
  ['en_US.UTF-8', 'en-US'],
  ['de_AT', 'de-AT'],
  ['C', null],
  ['C.UTF-8', null],
  ['POSIX', null],
  ['', null],
] as const)('the locale %j is saved as %j', async ([given, saved]) => {
  await asUser(db().sql, user, (t) => prefer(t, user, { locale: given, muted_categories: ['feed'] }));
  expect(await db().sql`select locale, muted_categories from public.push_preferences`).toEqual([
    { locale: saved, muted_categories: ['feed'] },
  ]);
});

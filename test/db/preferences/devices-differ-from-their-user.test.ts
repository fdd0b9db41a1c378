import { beforeEach, describe, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import {
  createUserWhoPrefers,
  EVENING,
  MORNING,
  NIGHT,
  NIGHTS_IN_VIENNA,
  type Preferences,
  preferOnDevice,
  tellAt,
} from '../../support/preferences.ts';
import { clearQueue, plus } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

/** What becomes of a message on two devices of a user, of which the second differs. */
async function onBoth(
  preferences: Preferences,
  onDevice: Preferences,
  at: Date,
  category?: string,
): Promise<[string, string | null, Date][]> {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, preferences);
  await preferOnDevice(sql, userId, await subscribe(sql, userId), onDevice);
  const deliveries = await tellAt(sql, userId, at, category === undefined ? {} : { category });
  return deliveries.map(({ state, last_code, due_at }) => [state, last_code, due_at]);
}

test('a row that says nothing changes nothing', async () => {
  const deferred = ['queued', 'quiet_hours', MORNING];
  expect(await onBoth(NIGHTS_IN_VIENNA, {}, NIGHT)).toEqual([deferred, deferred]);
});

describe('enabled', () => {
  test('false silences one device', async () => {
    expect(await onBoth({}, { enabled: false }, NIGHT)).toEqual([
      ['queued', null, NIGHT],
      ['suppressed', 'device_disabled', NIGHT],
    ]);
  });

  test('true keeps one on while the others are off', async () => {
    expect(await onBoth({ enabled: false }, { enabled: true }, NIGHT)).toEqual([
      ['suppressed', 'disabled', NIGHT],
      ['queued', null, NIGHT],
    ]);
  });
});

describe('muted categories', () => {
  test('count instead of the user’s', async () => {
    const preferences = { muted_categories: ['alerts'] };
    expect(await onBoth(preferences, { muted_categories: ['deals'] }, NIGHT, 'alerts:DAX')).toEqual([
      ['suppressed', 'muted', NIGHT],
      ['queued', null, NIGHT],
    ]);
    expect(await onBoth(preferences, { muted_categories: ['deals'] }, NIGHT, 'deals')).toEqual([
      ['queued', null, NIGHT],
      ['suppressed', 'device_muted', NIGHT],
    ]);
  });

  test('an empty list mutes nothing, none leaves the user’s', async () => {
    const preferences = { muted_categories: ['alerts'] };
    expect((await onBoth(preferences, { muted_categories: [] }, NIGHT, 'alerts'))[1]?.[0]).toBe('queued');
    expect((await onBoth(preferences, { muted_categories: null }, NIGHT, 'alerts'))[1]?.[1]).toBe('muted');
  });
});

describe('quiet hours', () => {
  test('of a device count instead of the user’s, in the user’s timezone', async () => {
    expect(await onBoth(NIGHTS_IN_VIENNA, { quiet_from: '20:00', quiet_until: '23:00' }, EVENING)).toEqual([
      ['queued', null, EVENING],
      ['queued', 'quiet_hours', plus(EVENING, 1.5 * 3600)],
    ]);
  });

  test('follow a device that travels', async () => {
    expect(await onBoth(NIGHTS_IN_VIENNA, { timezone: 'America/New_York' }, NIGHT)).toEqual([
      ['queued', 'quiet_hours', MORNING],
      ['queued', null, NIGHT],
    ]);
  });

  test('can be none: weekdays without any', async () => {
    expect((await onBoth(NIGHTS_IN_VIENNA, { quiet_by_weekday: {} }, NIGHT))[1]).toEqual([
      'queued',
      null,
      NIGHT,
    ]);
  });

  test('of some weekdays leave nothing of the user’s', async () => {
    // A Friday night, after a Thursday.
    const friday = { quiet_by_weekday: { 5: { from: '22:00', until: '12:00' } } };
    expect((await onBoth(NIGHTS_IN_VIENNA, friday, NIGHT))[1]?.[1]).toBe('quiet_hours');
    expect((await onBoth(NIGHTS_IN_VIENNA, friday, plus(NIGHT, -86_400)))[1]?.[1]).toBe(null);
  });
});

test('a device counts for a user who has said nothing at all', async () => {
  const { sql } = db();
  const { id: userId } = await createUser(sql);
  const subscriptionId = await subscribe(sql, userId);
  await preferOnDevice(sql, userId, subscriptionId, NIGHTS_IN_VIENNA);
  expect(await tellAt(sql, userId, NIGHT)).toMatchObject([{ due_at: MORNING, last_code: 'quiet_hours' }]);
  await preferOnDevice(sql, userId, subscriptionId, { enabled: false });
  expect(await tellAt(sql, userId, NIGHT)).toMatchObject([
    { state: 'suppressed', last_code: 'device_disabled' },
  ]);
});

import { beforeEach, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { asUser } from '../../support/postgres.ts';
import {
  createUserWhoPrefers,
  deliveriesOf,
  NIGHT,
  NIGHTS_IN_VIENNA,
  tell,
  tellAt,
} from '../../support/preferences.ts';
import { claim, clearQueue, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const outcome = async (userId: string, category?: string) =>
  (
    await deliveriesOf(db().sql, await tell(db().sql, userId, category === undefined ? {} : { category }))
  ).map(({ state, last_code }) => [state, last_code]);

test('a user who has said nothing, or only which language, gets everything', async () => {
  const { userId } = await createUserWhoPrefers(db().sql, { locale: 'de-AT' });
  expect(await outcome(userId)).toEqual([['queued', null]]);
  expect(await outcome(userId, 'alerts')).toEqual([['queued', null]]);
});

test('a muted category is suppressed, with all below it', async () => {
  const { userId } = await createUserWhoPrefers(db().sql, { muted_categories: ['alerts', 'deals:won'] });
  const muted = [['suppressed', 'muted']];
  const heard = [['queued', null]];
  expect(await outcome(userId, 'alerts')).toEqual(muted);
  expect(await outcome(userId, 'alerts:DAX')).toEqual(muted);
  expect(await outcome(userId, 'deals:won:big')).toEqual(muted);
  for (const category of ['deals', 'deals:lost', 'alertsDAX', 'my:alerts', 'Alerts', undefined])
    expect(await outcome(userId, category)).toEqual(heard);
});

test('pattern characters in a muted category mean themselves', async () => {
  const { userId } = await createUserWhoPrefers(db().sql, { muted_categories: ['a%', '.*', 'b_'] });
  expect(await outcome(userId, 'abc')).toEqual([['queued', null]]);
  expect(await outcome(userId, 'bc:d')).toEqual([['queued', null]]);
  expect(await outcome(userId, 'a%:x')).toEqual([['suppressed', 'muted']]);
});

test('a user who has switched push off gets none on any device, and no bell rings for it', async () => {
  const { sql } = db();
  await connectBell(sql);
  const { userId } = await createUserWhoPrefers(sql, { enabled: false });
  await subscribe(sql, userId);
  expect(await outcome(userId)).toEqual([
    ['suppressed', 'disabled'],
    ['suppressed', 'disabled'],
  ]);
  expect(await countRings(sql)).toBe(0);
  expect(await claim(sql, startOfClock())).toEqual([]);
});

test('what was suppressed everywhere still stands in the inbox, and is counted', async () => {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, { enabled: false });
  const id = await tell(sql, userId);
  expect(await asUser(sql, userId, (t) => t`select id, title from public.push_notifications`)).toEqual([
    { id, title: 'Hello' },
  ]);
  const [progress] = await sql`select * from push.progress(${id})`;
  expect(progress).toMatchObject({ total: '1', queued: '0', suppressed: '1' });
});

test('a mute outweighs whatever passes quiet hours, day and night', async () => {
  const { sql } = db();
  await sql`insert into public.push_categories (key, title, critical) values ('alarm', 'Alarm', true)`;
  await sql`update push.settings set quiet_hours_pass = '{critical,high}'`;
  const { userId } = await createUserWhoPrefers(sql, { ...NIGHTS_IN_VIENNA, muted_categories: ['alarm'] });
  expect(await tellAt(sql, userId, NIGHT, { category: 'alarm', urgency: 'high' })).toMatchObject([
    { state: 'suppressed', finished_at: NIGHT, last_code: 'muted' },
  ]);
});

import { beforeEach, describe, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { createUser } from '../../support/postgres.ts';
import {
  createUserWhoPrefers,
  deliveriesOf,
  EVENING,
  MORNING,
  NIGHT,
  NIGHTS_IN_VIENNA,
  quietNow,
  tell,
  tellAt,
} from '../../support/preferences.ts';
import { claim, claimOne, clearQueue, plus } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await db().sql`delete from public.push_categories`;
  await db().sql`update push.settings set quiet_hours_pass = '{}'`;
});

const SENT_AT_ONCE = [{ state: 'queued', due_at: NIGHT, last_code: null }];
const DEFERRED = [{ state: 'queued', due_at: MORNING, finished_at: null, last_code: 'quiet_hours' }];
const DROPPED = [{ state: 'suppressed', finished_at: NIGHT, last_code: 'quiet_hours' }];

async function category(
  key: string,
  values: { critical?: boolean; quiet_hours?: string } = {},
): Promise<void> {
  await db().sql`insert into public.push_categories ${db().sql({ key, title: key, ...values })}`;
}

test('a message due in the evening is due at once', async () => {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
  expect(await tellAt(sql, userId, EVENING)).toMatchObject([
    { state: 'queued', due_at: EVENING, last_code: null },
  ]);
});

test('a message due at night is handed out in the morning, and not before', async () => {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
  expect(await tellAt(sql, userId, NIGHT)).toMatchObject(DEFERRED);
  expect(await claim(sql, plus(MORNING, -1))).toEqual([]);
  expect((await claimOne(sql, MORNING)).ttl).toBe(86_400 - 6.5 * 3600);
});

test('a message that would not last until then expires, and records the reason', async () => {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
  for (const expiresAt of [MORNING, plus(NIGHT, 600)]) {
    expect(await tellAt(sql, userId, NIGHT, { expiresAt })).toMatchObject([
      { state: 'expired', finished_at: NIGHT, last_code: 'quiet_hours' },
    ]);
  }
  expect(await tellAt(sql, userId, NIGHT, { expiresAt: plus(MORNING, 1) })).toMatchObject(DEFERRED);
});

test('a user who is quiet all the time gets nothing, and the reason is recorded', async () => {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, {
    ...NIGHTS_IN_VIENNA,
    quiet_from: '00:00',
    quiet_until: '24:00',
  });
  expect(await tellAt(sql, userId, EVENING)).toMatchObject([{ state: 'expired', last_code: 'quiet_hours' }]);
});

test('what is inserted in quiet hours waits and rings no bell; for every other user it rings', async () => {
  const { sql } = db();
  await connectBell(sql);
  const { userId } = await createUserWhoPrefers(sql, quietNow());
  const [deferred] = await deliveriesOf(sql, await tell(sql, userId));
  expect(deferred).toMatchObject({ state: 'queued', last_code: 'quiet_hours' });
  expect(deferred?.due_at.getTime()).toBeGreaterThan(Date.now() + 3_600_000);
  expect(await countRings(sql)).toBe(0);

  const { id: other } = await createUser(sql);
  await subscribe(sql, other);
  expect(await deliveriesOf(sql, await tell(sql, other))).toMatchObject([
    { state: 'queued', last_code: null },
  ]);
  expect(await countRings(sql)).toBe(1);
});

describe('a category that is not worth waiting for', () => {
  beforeEach(() => category('feed', { quiet_hours: 'drop' }));

  test.each(['feed', 'feed:likes', 'feed:likes:photos'])('%s is dropped', async (key) => {
    const { sql } = db();
    const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
    expect(await tellAt(sql, userId, NIGHT, { category: key })).toMatchObject(DROPPED);
    expect(await tellAt(sql, userId, EVENING, { category: key })).toMatchObject([{ state: 'queued' }]);
  });

  test.each(['feedback', 'other:feed', undefined])('%s is another one and waits', async (key) => {
    const { sql } = db();
    const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
    expect(await tellAt(sql, userId, NIGHT, key === undefined ? {} : { category: key })).toMatchObject(
      DEFERRED,
    );
  });

  test('the longest key that fits applies', async () => {
    const { sql } = db();
    await category('feed:mentions');
    const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
    expect(await tellAt(sql, userId, NIGHT, { category: 'feed:mentions:you' })).toMatchObject(DEFERRED);
    expect(await tellAt(sql, userId, NIGHT, { category: 'feed:likes' })).toMatchObject(DROPPED);
  });
});

describe.each([
  { pass: [], critical: DEFERRED, high: DEFERRED },
  { pass: ['critical'], critical: SENT_AT_ONCE, high: DEFERRED },
  { pass: ['high'], critical: DEFERRED, high: SENT_AT_ONCE },
  { pass: ['critical', 'high'], critical: SENT_AT_ONCE, high: SENT_AT_ONCE },
])('where the settings let $pass pass', ({ pass, critical, high }) => {
  test('only these ring at night', async () => {
    const { sql } = db();
    await category('alarm', { critical: true });
    await sql`update push.settings set quiet_hours_pass = ${pass}`;
    const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
    expect(await tellAt(sql, userId, NIGHT, { category: 'alarm:fire' })).toMatchObject(critical);
    expect(await tellAt(sql, userId, NIGHT, { urgency: 'high' })).toMatchObject(high);
    expect(await tellAt(sql, userId, NIGHT)).toMatchObject(DEFERRED);
  });
});

test('nothing else can be let pass', async () => {
  const refusal = await refusalOf(db().sql`update push.settings set quiet_hours_pass = '{normal}'`);
  expect(refusal.sqlstate).toBe('23514');
});

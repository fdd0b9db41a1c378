import { beforeEach, describe, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { asUser } from '../../support/postgres.ts';
import {
  createUserWhoPrefers,
  deliveriesOf,
  MORNING,
  NIGHT,
  NIGHTS_IN_VIENNA,
  prefer,
  preferOnDevice,
  quietNow,
  tell,
  tellAt,
} from '../../support/preferences.ts';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  type Delivery,
  plus,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

/** A delivery that waits for the end of its user's quiet hours, which are now. */
async function deferOne(message: { category?: string } = {}): Promise<Delivery & { userId: string }> {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, quietNow());
  const [delivery] = await deliveriesOf(sql, await tell(sql, userId, message));
  expect(delivery).toMatchObject({ state: 'queued', last_code: 'quiet_hours' });
  return { ...(delivery as Delivery), userId };
}

describe('who ends quiet hours gets at once what has been waiting, and the bell rings', () => {
  test.each([
    ['by clearing them', 'update public.push_preferences set quiet_from = null, quiet_until = null'],
    ['by moving them', `update public.push_preferences set timezone = 'Etc/GMT-12'`],
    ['by deleting the row', 'delete from public.push_preferences'],
  ])('%s', async (_, statement) => {
    const { sql } = db();
    await connectBell(sql);
    const { id, userId } = await deferOne();
    expect(await countRings(sql)).toBe(0);
    await asUser(sql, userId, (t) => t.unsafe(statement));
    expect(await countRings(sql)).toBe(1);
    expect(await readDelivery(sql, id)).toMatchObject({ state: 'queued', last_code: null });
    expect(await claimOne(sql, startOfClock())).toMatchObject({ delivery_id: id });
  });

  test('on one device', async () => {
    const { sql } = db();
    await connectBell(sql);
    const { id, userId, subscription_id } = await deferOne();
    await asUser(sql, userId, (t) => preferOnDevice(t, userId, subscription_id, { quiet_by_weekday: {} }));
    expect(await claimOne(sql, startOfClock())).toMatchObject({ delivery_id: id });
    expect(await countRings(sql)).toBe(1);
  });

  test('and gets it once only', async () => {
    const { sql } = db();
    const { userId } = await deferOne();
    await prefer(sql, userId, { quiet_from: null, quiet_until: null });
    const claimed = await claimOne(sql, startOfClock());
    await prefer(sql, userId, quietNow());
    await prefer(sql, userId, { quiet_from: null, quiet_until: null });
    expect(await claim(sql, startOfClock())).toEqual([]);
    await complete(sql, startOfClock(), [{ ...claimed, outcome: 'sent', status: 201 }]);
    expect(await readDelivery(sql, claimed.delivery_id)).toMatchObject({ state: 'sent' });
  });
});

test('a user who mutes it is not sent it in the morning', async () => {
  const { sql } = db();
  const { id, userId } = await deferOne({ category: 'alerts' });
  await asUser(sql, userId, (t) => prefer(t, userId, { muted_categories: ['alerts'] }));
  expect(await readDelivery(sql, id)).toMatchObject({ state: 'suppressed', last_code: 'muted' });
});

test('quiet hours that end at another time end then for what waits', async () => {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
  const [delivery] = await tellAt(sql, userId, NIGHT);
  const { id } = delivery as Delivery;
  await sql`alter table public.push_preferences disable trigger push_preferences_rejudge`;
  try {
    await prefer(sql, userId, { quiet_from: '22:00', quiet_until: '06:00' });
  } finally {
    await sql`alter table public.push_preferences enable trigger push_preferences_rejudge`;
  }
  expect(await readDelivery(sql, id)).toMatchObject({ due_at: MORNING });
  const [row] = await sql`select push.rejudge_deferred(${userId}, ${NIGHT}) as due`;
  expect(row?.due).toBe(0);
  expect(await readDelivery(sql, id)).toMatchObject({
    due_at: plus(MORNING, -3600),
    last_code: 'quiet_hours',
  });
});

test('what waits for something else goes on waiting for it', async () => {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, { locale: 'de' });
  await tell(sql, userId);
  const now = startOfClock();
  await complete(sql, now, [
    { ...(await claimOne(sql, now)), outcome: 'retry', status: 503, retry_after: 600 },
  ]);
  await prefer(sql, userId, quietNow());
  await prefer(sql, userId, { quiet_from: null, quiet_until: null });
  expect(await claim(sql, plus(now, 500))).toEqual([]);
});

test('preferences of another user change nothing', async () => {
  const { sql } = db();
  const { id, due_at } = await deferOne();
  const other = await createUserWhoPrefers(sql, quietNow());
  await prefer(sql, other.userId, { quiet_from: null, quiet_until: null });
  expect(await readDelivery(sql, id)).toMatchObject({ due_at, last_code: 'quiet_hours' });
});

test('a delivery that is just being claimed is left to its claim', async () => {
  const { sql } = db();
  const { id, userId, due_at } = await deferOne();
  await sql.begin(async (claiming) => {
    await claiming`select from push.queue where id = ${id} for update`;
    await prefer(sql, userId, { quiet_from: null, quiet_until: null });
  });
  expect(await readDelivery(sql, id)).toMatchObject({ due_at });
});

import { beforeEach, describe, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import {
  createUserWhoPrefers,
  deliveriesOf,
  EVENING,
  MORNING,
  NIGHT,
  NIGHTS_IN_VIENNA,
  prefer,
  preferOnDevice,
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
} from '../../support/queue.ts';
import { FCM, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

/** A delivery that is due in the evening to a user whose nights are quiet. */
async function queueInTheEvening(expiresAt?: Date): Promise<Delivery & { userId: string }> {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
  const [delivery] = await tellAt(sql, userId, EVENING, expiresAt === undefined ? {} : { expiresAt });
  return { ...(delivery as Delivery), userId };
}

describe('what was due in the evening and is claimed at night', () => {
  test('waits for the morning, as if it had not been claimed', async () => {
    const { sql } = db();
    const { id } = await queueInTheEvening();
    expect(await claim(sql, NIGHT)).toEqual([]);
    expect(await readDelivery(sql, id)).toMatchObject({
      state: 'queued',
      due_at: MORNING,
      claims: 0,
      lease_until: null,
      finished_at: null,
      last_code: 'quiet_hours',
    });
    expect(await claim(sql, plus(MORNING, -1))).toEqual([]);
    expect(await claimOne(sql, MORNING)).toMatchObject({ delivery_id: id, claim_number: 1 });
  });

  test('expires where it would not last', async () => {
    const { sql } = db();
    const { id } = await queueInTheEvening(plus(MORNING, -1));
    expect(await claim(sql, NIGHT)).toEqual([]);
    expect(await readDelivery(sql, id)).toMatchObject({
      state: 'expired',
      finished_at: NIGHT,
      last_code: 'quiet_hours',
    });
  });

  test('is not in the way of what others get', async () => {
    const { sql } = db();
    const { id } = await queueInTheEvening();
    const { id: other } = await createUser(sql);
    await subscribe(sql, other);
    const [theirs] = await tellAt(sql, other, plus(EVENING, 60));
    expect(await claimOne(sql, NIGHT)).toMatchObject({ delivery_id: theirs?.id });
    expect(await readDelivery(sql, id)).toMatchObject({ state: 'queued', due_at: MORNING });
  });

  test('keeps its place at a push service free', async () => {
    const { sql } = db();
    await queueInTheEvening();
    await claim(sql, NIGHT);
    await sql`update push.hosts set max_in_flight = 1 where origin = ${FCM}`;
    const { id: other } = await createUser(sql);
    await subscribe(sql, other);
    await tellAt(sql, other, NIGHT);
    await claimOne(sql, NIGHT);
  });
});

test('a retry that is due at night waits for the morning', async () => {
  const { sql } = db();
  const { id } = await queueInTheEvening();
  const claimed = await claimOne(sql, EVENING);
  await complete(sql, EVENING, [{ ...claimed, outcome: 'retry', status: 503, retry_after: 3 * 3600 }]);
  expect(await claim(sql, NIGHT)).toEqual([]);
  expect(await readDelivery(sql, id)).toMatchObject({
    state: 'queued',
    due_at: MORNING,
    claims: 1,
    failures: 1,
    last_code: 'quiet_hours',
  });
});

test('what a dispatcher lost waits too, and its late report that it was sent still counts', async () => {
  const { sql } = db();
  const { id } = await queueInTheEvening();
  const claimed = await claimOne(sql, plus(EVENING, 1700));
  await sql`select push.recover_leases(${NIGHT})`;
  expect(await claim(sql, NIGHT)).toEqual([]);
  expect(await readDelivery(sql, id)).toMatchObject({ state: 'queued', due_at: MORNING });
  expect((await complete(sql, plus(NIGHT, 1), [{ ...claimed, outcome: 'sent', status: 201 }])).recorded).toBe(
    1,
  );
  expect(await readDelivery(sql, id)).toMatchObject({ state: 'sent' });
});

test('a report about what was never handed out changes nothing', async () => {
  const { sql } = db();
  const { userId } = await createUserWhoPrefers(sql, NIGHTS_IN_VIENNA);
  const [deferred] = await tellAt(sql, userId, NIGHT);
  const { id } = deferred as Delivery;
  for (const claim_number of [0, 1])
    expect((await complete(sql, NIGHT, [{ delivery_id: id, claim_number, outcome: 'sent' }])).recorded).toBe(
      0,
    );
});

describe('what its user changed in the meantime counts', () => {
  test.each([
    [{ enabled: false }, 'disabled'],
    [{ muted_categories: ['alerts'] }, 'muted'],
  ])('%j suppresses as %s', async (preferences, code) => {
    const { sql } = db();
    const { id: userId } = await createUser(sql);
    await subscribe(sql, userId);
    const [before] = await deliveriesOf(sql, await tell(sql, userId, { category: 'alerts:DAX' }));
    await prefer(sql, userId, preferences);
    const now = plus(new Date(), 1);
    expect(await claim(sql, now)).toEqual([]);
    expect(await readDelivery(sql, (before as Delivery).id)).toMatchObject({
      state: 'suppressed',
      finished_at: now,
      lease_until: null,
      last_code: code,
    });
  });

  test('on one device as well', async () => {
    const { sql } = db();
    const { id, userId, subscription_id } = await queueInTheEvening();
    await preferOnDevice(sql, userId, subscription_id, { enabled: false });
    expect(await claim(sql, EVENING)).toEqual([]);
    expect(await readDelivery(sql, id)).toMatchObject({ state: 'suppressed', last_code: 'device_disabled' });
  });

  test('and what was taken back stays taken back', async () => {
    const { sql } = db();
    const { id, notification_id } = await queueInTheEvening();
    await sql`select push.cancel(${notification_id})`;
    expect(await claim(sql, NIGHT)).toEqual([]);
    expect(await readDelivery(sql, id)).toMatchObject({
      state: 'cancelled',
      last_code: 'notification_cancelled',
    });
  });
});

import { beforeEach, describe, expect, test } from 'vitest';
import { clearAlerts, course, makeAlert } from '../../support/alerts.ts';
import { connectBell, countRings } from '../../support/bell.ts';
import {
  clearLimits,
  closeDigests,
  defineDigest,
  outcomeOf,
  readSummaries,
  write,
} from '../../support/digests.ts';
import { asUser, createUser } from '../../support/postgres.ts';
import { prefer, quietNow, tellAt } from '../../support/preferences.ts';
import {
  claim,
  claimOne,
  clearQueue,
  complete,
  notify,
  plus,
  queueOne,
  readDelivery,
  startOfClock,
} from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { remind, sendReminders } from '../../support/reminders.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { throttle } from '../../support/throttles.ts';
import { createTopic, fanOutAll, notifyTopic, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await clearQueue(db().sql);
  await clearLimits(db().sql);
  await connectBell(db().sql);
});

const YEAR = 365 * 86_400;

/** As GoTrue bans a user (updateUserById, ban_duration) and deletes one softly (deleteUser(id, true)). */
async function block(userId: string, reason: string, until = plus(new Date(), 100 * YEAR)): Promise<void> {
  const { sql } = db();
  if (reason === 'user_banned') await sql`update auth.users set banned_until = ${until} where id = ${userId}`;
  else await sql`update auth.users set deleted_at = now() where id = ${userId}`;
}

async function createUserWithDevice(): Promise<string> {
  const { id } = await createUser(db().sql);
  await subscribe(db().sql, id);
  return id;
}

async function outcomesOf(userId: string): Promise<string[]> {
  const rows = await db().sql<{ outcome: string }[]>`
    select concat_ws(' ', d.state, d.last_code) as outcome
    from push.deliveries d join public.push_subscriptions s on s.id = d.subscription_id
    where s.user_id = ${userId} order by d.id`;
  return rows.map(({ outcome }) => outcome);
}

describe.each(['user_banned', 'user_deleted'])('%s', (reason) => {
  test('a message written then is suppressed, stands in the inbox, and rings no dispatcher', async () => {
    const { sql } = db();
    const userId = await createUserWithDevice();
    await block(userId, reason);
    await notify(sql, userId, { title: 'While away' });
    expect(await outcomesOf(userId)).toEqual([`suppressed ${reason}`]);
    expect(await countRings(sql)).toBe(0);
    expect(await claim(sql, startOfClock())).toEqual([]);
    const inbox = await asUser(sql, userId, (t) => t`select title from public.push_inbox()`);
    expect([...inbox]).toEqual([{ title: 'While away' }]);
  });

  test('a delivery that waits is suppressed at its claim', async () => {
    const { sql } = db();
    const { userId, deliveryId } = await queueOne(sql);
    await block(userId, reason);
    expect(await claim(sql, startOfClock())).toEqual([]);
    expect(await readDelivery(sql, deliveryId)).toMatchObject({
      state: 'suppressed',
      last_code: reason,
      lease_until: null,
    });
  });

  test('a delivery that failed before is not tried again', async () => {
    const { sql } = db();
    const { userId, deliveryId } = await queueOne(sql);
    const now = startOfClock();
    await complete(sql, now, [{ ...(await claimOne(sql, now)), outcome: 'retry', status: 503 }]);
    await block(userId, reason);
    expect(await claim(sql, plus(now, 3600))).toEqual([]);
    expect(await readDelivery(sql, deliveryId)).toMatchObject({ state: 'suppressed', last_code: reason });
  });

  test('a message scheduled before is suppressed when it is due', async () => {
    const { sql } = db();
    const userId = await createUserWithDevice();
    await block(userId, reason);
    const deliveries = await tellAt(sql, userId, plus(new Date(), YEAR));
    expect(deliveries.map(({ state, last_code }) => [state, last_code])).toEqual([['suppressed', reason]]);
  });

  test('quiet hours and critical messages make no difference', async () => {
    const { sql } = db();
    const userId = await createUserWithDevice();
    await prefer(sql, userId, quietNow());
    await throttle(sql, 'safety', null, null, { critical: true });
    await write(sql, userId);
    expect(await outcomesOf(userId)).toEqual(['queued quiet_hours']);
    await block(userId, reason);
    await write(sql, userId, { category: 'safety', urgency: 'high' });
    expect(await outcomesOf(userId)).toEqual(['queued quiet_hours', `suppressed ${reason}`]);
    // Changed preferences judge anew what waits for the morning.
    await prefer(sql, userId, { quiet_from: null, quiet_until: null });
    expect(await outcomesOf(userId)).toEqual([`suppressed ${reason}`, `suppressed ${reason}`]);
  });

  test('the other members of a topic get the message', async () => {
    const { sql } = db();
    const { topic, userIds } = await createTopic(sql, 3);
    await block(userIds[1] as string, reason);
    const id = await notifyTopic(sql, topic);
    await fanOutAll(sql);
    // Each user's row is read when the message is handed out, and not for a million members before that.
    expect(await claim(sql, startOfClock())).toHaveLength(2);
    expect(await outcomesOf(userIds[1] as string)).toEqual([`suppressed ${reason}`]);
    expect(await readProgress(sql, id)).toMatchObject({ members: 3, queued: 2, suppressed: 1 });
  });

  test('a message of a digest waits in none, and a summary of what came before is not sent', async () => {
    const { sql } = db();
    const userId = await createUserWithDevice();
    await defineDigest(sql, 'deals');
    const before = await write(sql, userId, { digest_key: 'deals' });
    await block(userId, reason);
    const during = await write(sql, userId, { digest_key: 'deals' });
    expect(await outcomeOf(sql, before)).toEqual(['digested']);
    expect(await outcomeOf(sql, during)).toEqual(['queued', `suppressed ${reason}`]);
    await closeDigests(sql, plus(new Date(), 4000));
    const [summary] = await readSummaries(sql, userId);
    expect(await outcomeOf(sql, summary?.id ?? '')).toEqual(['queued', `suppressed ${reason}`]);
  });

  test('what is suppressed takes no place among what a throttle lets through', async () => {
    const { sql } = db();
    const userId = await createUserWithDevice();
    await throttle(sql, 'deals', 1);
    await block(userId, reason, plus(new Date(), YEAR));
    await write(sql, userId, { category: 'deals' });
    await sql`update auth.users set banned_until = null, deleted_at = null where id = ${userId}`;
    await write(sql, userId, { category: 'deals' });
    expect(await outcomesOf(userId)).toEqual([`suppressed ${reason}`, 'queued']);
  });

  test('an alert fires into the inbox alone', async () => {
    const { sql } = db();
    await clearAlerts(sql);
    const userId = await createUserWithDevice();
    await makeAlert(sql, {}, userId);
    await block(userId, reason);
    expect(await course(sql, [99, 101])).toEqual([0, 1]);
    expect(await outcomesOf(userId)).toEqual([`suppressed ${reason}`]);
  });

  test('a reminder is noted and not sent', async () => {
    const { sql } = db();
    const userId = await createUserWithDevice();
    await sql`create table public.visits (id int primary key, guest_id uuid, starts_at timestamptz)`;
    await remind(sql, { table: 'public.visits' });
    await block(userId, reason);
    await sql`insert into public.visits values (1, ${userId}, now() + interval '61 minutes')`;
    expect(await sendReminders(sql, plus(new Date(), 120))).toBe(1);
    expect(await outcomesOf(userId)).toEqual([`suppressed ${reason}`]);
    await sql`select push.unremind('booking')`;
    await sql`drop table public.visits`;
  });

  test('a test message is refused, and says why', async () => {
    const { sql } = db();
    const userId = await createUserWithDevice();
    await block(userId, reason);
    const refusal = await refusalOf(asUser(sql, userId, (t) => t`select public.push_send_test()`));
    expect(refusal).toMatchObject({ sqlstate: 'PT403', code: reason, hint: expect.stringMatching(/\w/) });
  });
});

describe('a ban that ends', () => {
  test('ends to the second: what comes then is sent, what came before is not', async () => {
    const { sql } = db();
    const userId = await createUserWithDevice();
    const end = plus(new Date(), YEAR);
    await block(userId, 'user_banned', end);
    const during = await tellAt(sql, userId, plus(end, -1));
    const after = await tellAt(sql, userId, end);
    expect([during, after].map(([one]) => [one?.state, one?.last_code])).toEqual([
      ['suppressed', 'user_banned'],
      ['queued', null],
    ]);
    expect((await claim(sql, end)).map(({ delivery_id }) => delivery_id)).toEqual([after[0]?.id]);
  });

  test('is judged at the moment of the claim', async () => {
    const { sql } = db();
    const { userId } = await queueOne(sql);
    const now = startOfClock();
    await block(userId, 'user_banned', now);
    expect(await claim(sql, now)).toHaveLength(1);
  });

  test('long ago is none', async () => {
    const { sql } = db();
    const userId = await createUserWithDevice();
    await block(userId, 'user_banned', new Date(0));
    await notify(sql, userId);
    expect(await outcomesOf(userId)).toEqual(['queued']);
  });
});

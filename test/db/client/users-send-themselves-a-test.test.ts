import { beforeEach, describe, expect, test } from 'vitest';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { deliveriesOf, EVENING, prefer, preferOnDevice, quietNow } from '../../support/preferences.ts';
import { refusalOf } from '../../support/refusal.ts';
import { endsOrWaits, withSessions } from '../../support/sessions.ts';
import { createKeys, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let userId: string;

beforeEach(async () => {
  const { sql } = db();
  userId = (await createUser(sql)).id;
  await sql`update push.settings set test_limit = 10`;
});

/** As the user, now. */
const sendTest = async (subscriptionId: string | null = null): Promise<string> =>
  await asUser(db().sql, userId, async (t) => {
    const [row] = await t<{ id: string }[]>`select public.push_send_test(${subscriptionId}) as id`;
    return (row as { id: string }).id;
  });

/** As the user's call ends in it, at a moment. */
const sendTestAt = async (at: Date, subscriptionId: string | null = null): Promise<string> => {
  const [row] = await db().sql<
    { id: string }[]
  >`select push.send_test(${userId}, ${subscriptionId}, ${at}) as id`;
  return (row as { id: string }).id;
};

test('a test goes to every device of the user, and is not in the inbox', async () => {
  const { sql } = db();
  const devices = [await subscribe(sql, userId), await subscribe(sql, userId)];
  await subscribe(sql, (await createUser(sql)).id);
  const id = await sendTest();
  const deliveries = await deliveriesOf(sql, id);
  expect(deliveries.map(({ subscription_id, state }) => [subscription_id, state])).toEqual(
    devices.map((device) => [device, 'queued']),
  );
  const [row] =
    await sql`select user_id, title, urgency, inbox from public.push_notifications where id = ${id}`;
  expect(row).toEqual({ user_id: userId, title: 'Notifications work', urgency: 'high', inbox: false });
  expect([...(await asUser(sql, userId, (t) => t`select * from public.push_inbox()`))]).toEqual([]);
});

test('a test goes to one device where one is named', async () => {
  const { sql } = db();
  const first = await subscribe(sql, userId);
  await subscribe(sql, userId);
  const deliveries = await deliveriesOf(sql, await sendTest(first));
  expect(deliveries.map(({ subscription_id }) => subscription_id)).toEqual([first]);
});

test('a test says what the template push_test says, in the language of its user', async () => {
  const { sql } = db();
  await subscribe(sql, userId);
  await prefer(sql, userId, { locale: 'de-AT' });
  await sql`
    insert into public.push_templates (key, locale, title, body, sample)
    values ('push_test', '', 'It works', 'Hello', '{}'), ('push_test', 'de', 'Geht', 'Hallo', null)`;
  try {
    const id = await sendTest();
    const [row] = await sql`select title, body from public.push_notifications where id = ${id}`;
    expect(row).toEqual({ title: 'Geht', body: 'Hallo' });
  } finally {
    await sql`delete from public.push_templates`;
  }
});

describe('a test is refused', () => {
  test('for a device of another user, as for one that does not exist', async () => {
    const { sql } = db();
    await subscribe(sql, userId);
    const other = await subscribe(sql, (await createUser(sql)).id);
    for (const id of [other, '00000000-0000-0000-0000-000000000000']) {
      expect(await refusalOf(sendTest(id))).toMatchObject({
        sqlstate: 'PT404',
        code: 'subscription_unknown',
      });
    }
    const [row] = await sql`select count(*)::int as n from push.deliveries where subscription_id = ${other}`;
    expect(row?.n).toBe(0);
  });

  test('for a user without a device', async () => {
    expect(await refusalOf(sendTest())).toMatchObject({ sqlstate: 'PT404', code: 'subscription_unknown' });
  });

  test('where it would not ring: quiet hours, switched off for the user or the device', async () => {
    const { sql } = db();
    const first = await subscribe(sql, userId);
    const second = await subscribe(sql, userId);
    await prefer(sql, userId, quietNow());
    const heldBack = {
      sqlstate: 'PT409',
      code: 'test_held_back',
      hint: expect.stringContaining('quiet hours'),
    };
    expect(await refusalOf(sendTest())).toMatchObject(heldBack);
    await prefer(sql, userId, { quiet_from: null, quiet_until: null });
    await sendTest();
    await preferOnDevice(sql, userId, first, { enabled: false });
    expect(await refusalOf(sendTest(first))).toMatchObject(heldBack);
    await sendTest(second);
    await prefer(sql, userId, { enabled: false });
    expect(await refusalOf(sendTest())).toMatchObject(heldBack);
  });

  test('beyond so many within an hour, counted for each user; what was refused is not counted', async () => {
    const { sql } = db();
    await subscribe(sql, userId);
    await sql`update push.settings set test_limit = 2`;
    const at = (minutes: number) => new Date(EVENING.getTime() + minutes * 60_000);
    await sendTestAt(at(0));
    await sendTestAt(at(30));
    for (const minutes of [30, 59])
      expect(await refusalOf(sendTestAt(at(minutes)))).toMatchObject({
        sqlstate: 'PT429',
        code: 'too_many_tests',
      });
    await sendTestAt(at(60));
    expect(await refusalOf(sendTestAt(at(61)))).toMatchObject({ code: 'too_many_tests' });
    await sendTestAt(at(90));

    const first = userId;
    userId = (await createUser(sql)).id;
    await subscribe(sql, userId);
    await sendTestAt(at(61));
    const sent = await sql`select count(*)::int as n from public.push_notifications where user_id = ${first}`;
    expect(sent[0]?.n).toBe(4);
  });

  test('beyond the limit in calls at the same time as well', async () => {
    const { sql, url } = db();
    await subscribe(sql, userId);
    await sql`update push.settings set test_limit = 1`;
    await withSessions(url, 2, async (a, b) => {
      await a.sql`begin`;
      await a.sql`select push.send_test(${userId}, null, ${EVENING})`;
      const second = b.sql`select push.send_test(${userId}, null, ${EVENING})`.execute();
      const refusal = refusalOf(second);
      expect(await endsOrWaits(sql, b, second)).toBe('waits');
      await a.sql`commit`;
      expect(await refusal).toMatchObject({ code: 'too_many_tests' });
    });
  });

  test('with a limit of none', async () => {
    const { sql } = db();
    await subscribe(sql, userId);
    await sql`update push.settings set test_limit = 0`;
    expect(await refusalOf(sendTest())).toMatchObject({ code: 'too_many_tests' });
  });

  test('without a user: signed out, and for the service', async () => {
    const { sql } = db();
    for (const as of [asAnon, asService])
      expect((await refusalOf(as(sql, (t) => t`select public.push_send_test()`))).sqlstate).toBe('42501');
  });
});

test('the count is cleared away when it limits nothing any more', async () => {
  const { sql } = db();
  await subscribe(sql, userId);
  await sendTestAt(EVENING);
  const rows = async () => (await sql`select 1 from push.throttle_log where user_id = ${userId}`).length;
  await sql`select push.clean_limits(100, ${EVENING}, ${new Date(EVENING.getTime() + 3_599_000)})`;
  expect(await rows()).toBe(1);
  await sql`select push.clean_limits(100, ${EVENING}, ${new Date(EVENING.getTime() + 3_600_000)})`;
  expect(await rows()).toBe(0);
});

test('everybody may ask for the key to subscribe with, signed in or not, and for no other setting', async () => {
  const { sql } = db();
  const ask = (t: typeof sql | Parameters<Parameters<typeof asAnon>[1]>[0]) =>
    t`select public.push_vapid_key() as key`;
  expect([...(await asAnon(sql, ask))]).toEqual([{ key: null }]);
  const { p256dh: key } = createKeys();
  await sql`update push.settings set vapid_public_key = ${key}`;
  expect([...(await asAnon(sql, ask))]).toEqual([{ key }]);
  expect([...(await asUser(sql, userId, ask))]).toEqual([{ key }]);
  expect((await refusalOf(asAnon(sql, (t) => t`select * from push.settings`))).sqlstate).toBe('42501');
});

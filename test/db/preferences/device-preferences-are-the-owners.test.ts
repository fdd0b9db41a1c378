import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { deliveriesOf, prefer, preferOnDevice, tell } from '../../support/preferences.ts';
import { clearQueue } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createSubscription, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

let owner: string;
let other: string;
let device: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  owner = (await createUser(sql)).id;
  other = (await createUser(sql)).id;
  device = await subscribe(sql, owner);
});

const rows = () => db().sql`select subscription_id, user_id from public.push_device_preferences`;

describe('another user', () => {
  test('cannot say anything about a device, and learns nothing of it', async () => {
    const { sql } = db();
    const [stranger, nobody] = await Promise.all(
      [device, randomUUID()].map((id) =>
        refusalOf(asUser(sql, other, (t) => preferOnDevice(t, other, id, { enabled: false }))),
      ),
    );
    expect(stranger).toMatchObject({ sqlstate: 'PT404', code: 'subscription_unknown' });
    expect(stranger).toEqual(nobody);
    expect(await rows()).toEqual([]);
  });

  test('cannot say it in the owner’s name', async () => {
    const { sql } = db();
    const insert = asUser(sql, other, (t) => preferOnDevice(t, owner, device, { enabled: false }));
    expect((await refusalOf(insert)).sqlstate).toBe('42501');
  });

  test('cannot change, move or delete what the owner said', async () => {
    const { sql } = db();
    await preferOnDevice(sql, owner, device, { muted_categories: ['alerts'] });
    const own = await subscribe(sql, other);
    await asUser(sql, other, async (t) => {
      expect((await t`update public.push_device_preferences set enabled = false`).count).toBe(0);
      expect((await t`delete from public.push_device_preferences`).count).toBe(0);
      await preferOnDevice(t, other, own, {});
    });
    const steal = asUser(
      sql,
      other,
      (t) => t`update public.push_device_preferences set subscription_id = ${device}`,
    );
    expect(await refusalOf(steal)).toMatchObject({ code: 'subscription_unknown' });
    const give = asUser(sql, other, (t) => t`update public.push_device_preferences set user_id = ${owner}`);
    expect((await refusalOf(give)).sqlstate).toBe('42501');
    expect(
      await asUser(sql, owner, (t) => t`select muted_categories from public.push_device_preferences`),
    ).toEqual([{ muted_categories: ['alerts'] }]);
  });

  test('is refused by the policies alone, were the trigger not there', async () => {
    const { sql } = db();
    await preferOnDevice(sql, other, await subscribe(sql, other), {});
    await sql`alter table public.push_device_preferences disable trigger push_device_preferences_check`;
    try {
      for (const userId of [other, owner]) {
        const insert = asUser(sql, other, (t) => preferOnDevice(t, userId, device, {}));
        expect((await refusalOf(insert)).sqlstate).toBe('42501');
      }
      const move = asUser(
        sql,
        other,
        (t) => t`update public.push_device_preferences set subscription_id = ${device}`,
      );
      expect((await refusalOf(move)).sqlstate).toBe('42501');
    } finally {
      await sql`alter table public.push_device_preferences enable trigger push_device_preferences_check`;
    }
  });

  test('cannot say what the owner prefers', async () => {
    const { sql } = db();
    const insert = asUser(sql, other, (t) => prefer(t, owner, { enabled: false }));
    expect((await refusalOf(insert)).sqlstate).toBe('42501');
    await prefer(sql, other, {});
    const give = asUser(sql, other, (t) => t`update public.push_preferences set user_id = ${owner}`);
    expect((await refusalOf(give)).sqlstate).toBe('42501');
  });
});

test('the service role says it for the owner, and for no other user', async () => {
  const { sql } = db();
  await asService(sql, (t) => preferOnDevice(t, owner, device, { enabled: false }));
  const wrong = asService(sql, (t) => preferOnDevice(t, other, device, { enabled: false }));
  expect(await refusalOf(wrong)).toMatchObject({ sqlstate: 'PT404', code: 'subscription_unknown' });
});

describe('what was said about a device goes', () => {
  beforeEach(() => preferOnDevice(db().sql, owner, device, { enabled: false }));

  test('with the device', async () => {
    const { sql } = db();
    await asUser(sql, owner, (t) => t`delete from public.push_subscriptions`);
    expect(await rows()).toEqual([]);
  });

  test('with its user', async () => {
    const { sql } = db();
    await sql`delete from auth.users where id = ${owner}`;
    expect(await rows()).toEqual([]);
  });

  test('when another user proves to have the device now', async () => {
    const { sql } = db();
    const shared = createSubscription();
    await preferOnDevice(sql, owner, await subscribe(sql, owner, shared), { enabled: false });
    await asUser(sql, other, (t) => subscribe(t, other, shared));
    expect(await rows()).toEqual([{ subscription_id: device, user_id: owner }]);
    expect(await deliveriesOf(sql, await tell(sql, other))).toMatchObject([
      { state: 'queued', last_code: null },
    ]);
  });

  test('when the service gives it to another user', async () => {
    const { sql } = db();
    await asService(
      sql,
      (t) => t`update public.push_subscriptions set user_id = ${other} where id = ${device}`,
    );
    expect(await rows()).toEqual([]);
    expect(await deliveriesOf(sql, await tell(sql, other))).toMatchObject([
      { state: 'queued', last_code: null },
    ]);
  });

  test('and would not count if it had stayed', async () => {
    const { sql } = db();
    await sql`alter table public.push_subscriptions disable trigger push_subscriptions_forget_preferences`;
    try {
      await sql`update public.push_subscriptions set user_id = ${other} where id = ${device}`;
    } finally {
      await sql`alter table public.push_subscriptions enable trigger push_subscriptions_forget_preferences`;
    }
    expect(await deliveriesOf(sql, await tell(sql, other))).toMatchObject([
      { state: 'queued', last_code: null },
    ]);
  });
});

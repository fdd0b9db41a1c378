import { beforeEach, expect, test } from 'vitest';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { preferOnDevice } from '../../support/preferences.ts';
import { claim, clearQueue, notify, readDelivery, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import {
  createAppSubscription,
  createKeys,
  createSubscription,
  subscribe,
} from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

type Row = Record<string, unknown>;
/** What `subscribe` would fill in for a browser. */
const NOTHING: Row = { endpoint: null, p256dh: null, auth: null };

/** A PATCH of one row, as its user. */
function change(userId: string, id: string, row: Row) {
  return asUser(
    db().sql,
    userId,
    (t) => t`update public.push_subscriptions set ${t(row as never)} where id = ${id} returning id`,
  );
}

async function idsOf(userId: string): Promise<string[]> {
  const rows = await db().sql<{ id: string }[]>`
    select id from public.push_subscriptions where user_id = ${userId} order by created_at`;
  return rows.map(({ id }) => id);
}

test.each([
  ['an endpoint', createSubscription],
  ['an FCM token', createAppSubscription],
])('%s of another user, with what proves it, moves here', async (_what, make) => {
  const { sql } = db();
  const [before, after] = [await createUser(sql), await createUser(sql)];
  const device = make() as Row;
  await subscribe(sql, before.id, { ...NOTHING, ...device } as never);
  await notify(sql, before.id, { title: 'Private' });
  const [waiting] = await sql`select id from push.deliveries`;
  const own = await subscribe(sql, after.id, { ...NOTHING, ...make() } as never);

  await change(after.id, own, device);

  expect(await idsOf(before.id)).toEqual([]);
  expect(await idsOf(after.id)).toEqual([own]);
  expect(await readDelivery(sql, waiting?.id)).toMatchObject({ state: 'cancelled' });
  await notify(sql, after.id, { title: 'Theirs' });
  expect((await claim(sql, startOfClock())).map(({ title }) => title)).toEqual(['Theirs']);
});

test('an endpoint of another user, with other keys, is refused as an insert of it is', async () => {
  const { sql } = db();
  const [owner, other] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  const theirs = await subscribe(sql, owner.id, device);
  const own = await subscribe(sql, other.id);
  const row = { ...device, ...createKeys() };
  const insert = asUser(sql, other.id, (t) => t`insert into public.push_subscriptions ${t(row)}`);
  const refusal = await refusalOf(insert);
  expect(refusal).toMatchObject({ sqlstate: 'PT409', code: 'endpoint_taken' });
  expect(await refusalOf(change(other.id, own, row))).toEqual(refusal);
  // With the keys of the row that changes, neither.
  expect(await refusalOf(change(other.id, own, { endpoint: device.endpoint }))).toEqual(refusal);
  expect([await idsOf(owner.id), await idsOf(other.id)]).toEqual([[theirs], [own]]);
});

test('the service is refused alike', async () => {
  const { sql } = db();
  const [owner, other] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await subscribe(sql, owner.id, device);
  const own = await subscribe(sql, other.id);
  const patch = asService(
    sql,
    (t) => t`update public.push_subscriptions set endpoint = ${device.endpoint} where id = ${own}`,
  );
  expect(await refusalOf(patch)).toMatchObject({ sqlstate: 'PT409', code: 'endpoint_taken' });
});

test('two rows of one user for one device become the one that changed, which keeps what was said of it', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const old = await subscribe(sql, user.id);
  await preferOnDevice(sql, user.id, old, { muted_categories: ['news'] });
  await notify(sql, user.id);
  const device = createSubscription();
  await subscribe(sql, user.id, device);

  await change(user.id, old, device);

  expect(await idsOf(user.id)).toEqual([old]);
  const kept = await sql`select muted_categories from public.push_device_preferences`;
  expect([...kept]).toEqual([{ muted_categories: ['news'] }]);
  expect((await claim(sql, startOfClock())).map(({ endpoint }) => endpoint)).toEqual([device.endpoint]);
  // It is registered, and was not removed.
  const [removed] = await asUser(
    sql,
    user.id,
    (t) => t`select public.push_device_removed(${device.endpoint}) as it`,
  );
  expect(removed).toEqual({ it: false });
});

test('an address that its user removed is no removed one when a row takes it', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const device = createSubscription();
  const removed = await subscribe(sql, user.id, device);
  await asUser(sql, user.id, (t) => t`delete from public.push_subscriptions where id = ${removed}`);
  await change(user.id, await subscribe(sql, user.id), device);
  const [answer] = await asUser(
    sql,
    user.id,
    (t) => t`select public.push_device_removed(${device.endpoint}) as it`,
  );
  expect(answer).toEqual({ it: false });
});

test('one address for several devices is refused, and none of them is lost', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  for (let device = 0; device < 3; device += 1) await subscribe(sql, user.id);
  const before = await idsOf(user.id);
  const device = createSubscription();
  const patch = asUser(sql, user.id, (t) => t`update public.push_subscriptions set ${t(device as never)}`);
  expect(await refusalOf(patch)).toMatchObject({
    sqlstate: 'PT409',
    code: 'endpoint_taken',
    hint: expect.stringMatching(/one device at a time/),
  });
  expect(await idsOf(user.id)).toEqual(before);
});

test('a change that keeps the address is accepted and keeps the row', async () => {
  const { sql } = db();
  const user = await createUser(sql);
  const device = createSubscription();
  const id = await subscribe(sql, user.id, device);
  await change(user.id, id, { ...device, device_name: 'Mine' });
  expect(await idsOf(user.id)).toEqual([id]);
});

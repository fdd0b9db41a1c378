import { expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { endsOrWaits, type Session, withSessions } from '../../support/sessions.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

async function endpointOf(id: string): Promise<string> {
  const [row] = await db().sql<{ endpoint: string }[]>`
    select endpoint from public.push_subscriptions where id = ${id}`;
  return row?.endpoint as string;
}

async function isRemoved(userId: string, endpoint: string): Promise<boolean | undefined> {
  const [row] = await asUser(
    db().sql,
    userId,
    (t) => t<{ removed: boolean }[]>`select public.push_device_removed(${endpoint}) as removed`,
  );
  return row?.removed;
}

const removeAs = (userId: string, id: string) =>
  asUser(db().sql, userId, (t) => t`delete from public.push_subscriptions where id = ${id}`);

test('a device that its user deletes counts as removed, for that user alone', async () => {
  const { sql } = db();
  const [anna, ben] = [(await createUser(sql)).id, (await createUser(sql)).id];
  const id = await subscribe(sql, anna);
  const endpoint = await endpointOf(id);
  expect(await isRemoved(anna, endpoint)).toBe(false);
  await removeAs(anna, id);
  expect(await isRemoved(anna, endpoint)).toBe(true);
  expect(await isRemoved(ben, endpoint)).toBe(false);
  expect(
    await sql`select from push.removed_devices where encode(address_digest, 'escape') like '%http%'`,
  ).toHaveLength(0);
});

test('what the service, housekeeping or the end of an account takes away may come back by itself', async () => {
  const { sql } = db();
  const anna = (await createUser(sql)).id;
  const id = await subscribe(sql, anna);
  const endpoint = await endpointOf(id);
  await sql`delete from public.push_subscriptions where id = ${id}`;
  expect(await isRemoved(anna, endpoint)).toBe(false);
  await subscribe(sql, anna);
  await sql`delete from auth.users where id = ${anna}`;
  expect(await sql`select from push.removed_devices where user_id = ${anna}`).toHaveLength(0);
});

test('a removed device that is registered again is one like any other', async () => {
  const { sql } = db();
  const anna = (await createUser(sql)).id;
  const id = await subscribe(sql, anna);
  const endpoint = await endpointOf(id);
  const [row] =
    await sql`select user_id, endpoint, p256dh, auth from public.push_subscriptions where id = ${id}`;
  await removeAs(anna, id);
  await sql`insert into public.push_subscriptions ${sql(row as never)}`;
  expect(await isRemoved(anna, endpoint)).toBe(false);
});

test('after 400 days it is forgotten', async () => {
  const { sql } = db();
  const anna = (await createUser(sql)).id;
  const id = await subscribe(sql, anna);
  const endpoint = await endpointOf(id);
  await removeAs(anna, id);
  const day = 86_400_000;
  await sql`select push.clean(100, ${new Date(Date.now() + 399 * day)})`;
  expect(await isRemoved(anna, endpoint)).toBe(true);
  await sql`select push.clean(100, ${new Date(Date.now() + 401 * day)})`;
  expect(await isRemoved(anna, endpoint)).toBe(false);
});

test('nothing is remembered of users who are gone, even those who deleted their account themselves', async () => {
  const { sql } = db();
  const [anna, ben] = [(await createUser(sql)).id, (await createUser(sql)).id];
  await removeAs(anna, await subscribe(sql, anna));
  await removeAs(ben, await subscribe(sql, ben));
  await subscribe(sql, anna);
  const remembered = () => sql`select user_id from push.removed_devices where user_id in (${anna}, ${ben})`;
  expect(await remembered()).toHaveLength(2);
  // As an app's function does it for its caller.
  await sql.begin(async (t) => {
    await t`select set_config('request.jwt.claims', ${JSON.stringify({ sub: anna, role: 'authenticated' })}, true)`;
    expect(await t`select from auth.users where id = auth.uid()`).toHaveLength(1);
    await t`delete from auth.users where id = ${anna}`;
  });
  expect([...(await remembered())]).toEqual([{ user_id: ben }]);
});

/** Registers and deletes as many devices as a user may have, so often, in statements of their own; the last ones' endpoints. */
async function removeAgainAndAgain(userId: string, times: number): Promise<string[]> {
  let endpoints: string[] = [];
  for (let n = 0; n < times; n += 1) {
    const ids = await Promise.all(Array.from({ length: 20 }, () => subscribe(db().sql, userId)));
    endpoints = await Promise.all(ids.map(endpointOf));
    await asUser(db().sql, userId, (t) => t`delete from public.push_subscriptions where user_id = ${userId}`);
  }
  return endpoints;
}

const remembered = async (userId: string) =>
  (await db().sql`select from push.removed_devices where user_id = ${userId}`).length;

test('the last hundred removed devices are remembered of a user who registers and removes again and again', async () => {
  const { sql } = db();
  const [anna, ben] = [(await createUser(sql)).id, (await createUser(sql)).id];
  await removeAgainAndAgain(ben, 1);
  const last = await removeAgainAndAgain(anna, 8);
  expect(await remembered(anna)).toBe(100);
  for (const endpoint of last) expect(await isRemoved(anna, endpoint)).toBe(true);
  await removeAs(anna, await subscribe(sql, anna));
  expect(await remembered(anna)).toBe(100);
  expect(await remembered(ben)).toBe(20);
});

test('more are remembered where users may have more devices', async () => {
  const { sql } = db();
  const anna = (await createUser(sql)).id;
  await sql`update push.settings set max_subscriptions_per_user = 25`;
  try {
    await removeAgainAndAgain(anna, 8);
    expect(await remembered(anna)).toBe(125);
  } finally {
    await sql`update push.settings set max_subscriptions_per_user = default`;
  }
});

test('removing devices does not wait for another user who does the same', async () => {
  const { sql, url } = db();
  const [anna, ben] = [(await createUser(sql)).id, (await createUser(sql)).id];
  for (const user of [anna, ben]) await removeAgainAndAgain(user, 5);
  await withSessions(url, 3, async (...sessions) => {
    const remove = async ({ sql: own }: Session, user: string) => {
      const id = await subscribe(sql, user);
      await own`begin`;
      await own`select set_config('request.jwt.claims', ${JSON.stringify({ sub: user, role: 'authenticated' })}, true)`;
      await own`delete from public.push_subscriptions where id = ${id}`;
    };
    const [first, second, third] = sessions as [Session, Session, Session];
    await remove(first, anna);
    expect(await endsOrWaits(sql, second, remove(second, ben))).toBe('ends');
    // Nor for a second tab of one's own.
    expect(await endsOrWaits(sql, third, remove(third, anna))).toBe('ends');
    for (const { sql: own } of sessions) await own`commit`;
  });
  expect(await remembered(ben)).toBe(100);
});

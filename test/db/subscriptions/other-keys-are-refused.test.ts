import { expect, test } from 'vitest';
import { asService, asUser, createUser } from '../../support/postgres.ts';
import { queueOne, readDelivery } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { createKeys, createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

test.each([
  ['both keys', ['p256dh', 'auth']],
  ['the public key', ['p256dh']],
  ['the secret', ['auth']],
])('a stranger who knows an endpoint but not %s does not get it', async (_what, unknown) => {
  const { sql } = db();
  const { endpoint, subscriptionId, deliveryId, userId } = await taken();
  const [keys] = await sql`select p256dh, auth from public.push_subscriptions where id = ${subscriptionId}`;
  const guess = {
    endpoint,
    ...keys,
    ...Object.fromEntries(unknown.map((name) => [name, createKeys()[name as 'auth']])),
  };
  const stranger = await createUser(sql);

  const attempts = [
    () => asUser(sql, stranger.id, (t) => t`insert into public.push_subscriptions ${t(guess)}`),
    () =>
      asUser(
        sql,
        stranger.id,
        (t) => t`
        insert into public.push_subscriptions ${t(guess)}
        on conflict (endpoint) do update set p256dh = excluded.p256dh, auth = excluded.auth`,
      ),
    () =>
      asUser(
        sql,
        stranger.id,
        (t) => t`insert into public.push_subscriptions ${t(guess)} on conflict (endpoint) do nothing`,
      ),
    () =>
      asService(
        sql,
        (t) => t`insert into public.push_subscriptions ${t({ ...guess, user_id: stranger.id })}`,
      ),
  ];
  for (const attempt of attempts) {
    expect(await refusalOf(attempt())).toMatchObject({
      sqlstate: 'PT409',
      code: 'endpoint_taken',
      message: expect.stringMatching(/another user/),
      hint: expect.stringMatching(/subscribe again/),
    });
  }
  const [row] =
    await sql`select user_id, p256dh, auth from public.push_subscriptions where id = ${subscriptionId}`;
  expect(row).toEqual({ user_id: userId, ...keys });
  expect((await readDelivery(sql, deliveryId)).state).toBe('queued');
});

test('a user does not get it by changing the endpoint of a device of their own', async () => {
  const { sql } = db();
  const { endpoint, userId } = await taken();
  const stranger = await createUser(sql);
  const own = createSubscription();
  await asUser(sql, stranger.id, (t) => t`insert into public.push_subscriptions ${t(own)}`);
  const update = asUser(
    sql,
    stranger.id,
    (t) => t`update public.push_subscriptions set endpoint = ${endpoint}`,
  );
  expect((await refusalOf(update)).sqlstate).toMatch(/^(PT409|23505)$/);
  const [row] = await sql`select user_id from public.push_subscriptions where endpoint = ${endpoint}`;
  expect(row).toEqual({ user_id: userId });
});

test('a refusal tells nothing of the owner', async () => {
  const { sql } = db();
  const { endpoint, userId } = await taken();
  const stranger = await createUser(sql);
  const refusal = await refusalOf(
    asUser(
      sql,
      stranger.id,
      (t) => t`insert into public.push_subscriptions ${t(createSubscription({ endpoint }))}`,
    ),
  );
  expect(JSON.stringify(refusal)).not.toContain(userId);
});

async function taken() {
  const { sql } = db();
  const queued = await queueOne(sql);
  const [row] = await sql<{ endpoint: string }[]>`
    select endpoint from public.push_subscriptions where id = ${queued.subscriptionId}`;
  return { ...queued, endpoint: row?.endpoint as string };
}

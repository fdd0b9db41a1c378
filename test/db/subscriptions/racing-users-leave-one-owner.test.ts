import { expect, test } from 'vitest';
import { asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { becomeUser, untilBlocked, withSessions } from '../../support/sessions.ts';
import { createKeys, createSubscription } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

test.each([
  ['with the same keys the later one has it', true],
  ['with other keys the earlier one keeps it', false],
])('two transactions at once: %s', async (_outcome, sameKeys) => {
  const { sql, url } = db();
  const [earlier, later] = [await createUser(sql), await createUser(sql)];
  const device = createSubscription();
  await withSessions(url, 2, async (a, b) => {
    if (!a || !b) throw new Error('two sessions');
    await a.sql`begin`;
    await becomeUser(a.sql, earlier.id);
    await a.sql`insert into public.push_subscriptions ${a.sql({ ...device })}`;

    await b.sql`begin`;
    await becomeUser(b.sql, later.id);
    const theirs = sameKeys ? device : { ...device, ...createKeys() };
    const second = b.sql`insert into public.push_subscriptions ${b.sql({ ...theirs })}`.execute();
    const refusal = sameKeys ? undefined : refusalOf(second);
    await untilBlocked(sql, b);
    await a.sql`commit`;
    if (refusal) expect((await refusal).code).toBe('endpoint_taken');
    else await second;
    await b.sql`commit`;
  });
  const owners = await sql`select user_id from public.push_subscriptions where endpoint = ${device.endpoint}`;
  expect(owners.map((row) => row.user_id)).toEqual([sameKeys ? later.id : earlier.id]);
});

test('two users, thirty rounds of both at once: always one owner, never an unexpected error', async () => {
  const { sql } = db();
  const users = [await createUser(sql), await createUser(sql)];
  for (let round = 0; round < 30; round += 1) {
    const device = createSubscription();
    const sameKeys = round % 2 === 0;
    const answers = await Promise.all(
      users.map(async (user) => {
        const row = sameKeys ? device : { ...device, ...createKeys() };
        try {
          await asUser(
            sql,
            user.id,
            (t) => t`
              insert into public.push_subscriptions ${t({ ...row })}
              on conflict (endpoint) do update set p256dh = excluded.p256dh, auth = excluded.auth`,
          );
          return 'ok';
        } catch (error) {
          return (error as { code: string }).code;
        }
      }),
    );
    expect(answers.sort()).toEqual(sameKeys ? ['ok', 'ok'] : ['PT409', 'ok']);
    const owners =
      await sql`select user_id from public.push_subscriptions where endpoint = ${device.endpoint}`;
    expect(owners).toHaveLength(1);
    await sql`delete from public.push_subscriptions`;
  }
});

test('two users who swap their devices at once both end, with one owner each', async () => {
  const { sql } = db();
  const users = [await createUser(sql), await createUser(sql)] as const;
  const devices = [createSubscription(), createSubscription()] as const;
  await asUser(sql, users[0].id, (t) => t`insert into public.push_subscriptions ${t({ ...devices[0] })}`);
  await asUser(sql, users[1].id, (t) => t`insert into public.push_subscriptions ${t({ ...devices[1] })}`);
  await Promise.all([
    asUser(sql, users[0].id, (t) => t`insert into public.push_subscriptions ${t({ ...devices[1] })}`),
    asUser(sql, users[1].id, (t) => t`insert into public.push_subscriptions ${t({ ...devices[0] })}`),
  ]);
  const rows = await sql`select endpoint, user_id from public.push_subscriptions`;
  expect(Object.fromEntries(rows.map((row) => [row.endpoint, row.user_id]))).toEqual({
    [devices[1].endpoint]: users[0].id,
    [devices[0].endpoint]: users[1].id,
  });
});

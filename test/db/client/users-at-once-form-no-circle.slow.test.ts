import { beforeEach, describe, expect, test } from 'vitest';
import { devices, expectClear, meet, type Rows, upsert, type Work } from '../../support/meetings.ts';
import { asUser, createUser } from '../../support/postgres.ts';
import { clearQueue } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { becomeUser, untilBlocked, withSessions } from '../../support/sessions.ts';
import { createAppSubscription, createKeys, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const apps = (count: number): Rows => Array.from({ length: count }, () => ({ ...createAppSubscription() }));

async function two(): Promise<[string, string]> {
  return [(await createUser(db().sql)).id, (await createUser(db().sql)).id];
}

/** Two users, the first with devices of these rows. */
async function ownerOf(rows: Rows): Promise<[string, string]> {
  const users = await two();
  await asUser(db().sql, users[0], (t) => t`insert into public.push_subscriptions ${t(rows as never)}`);
  return users;
}

describe('two users', () => {
  test.each([
    ['browsers', 'endpoint', devices],
    ['apps', 'fcm_token', apps],
  ])('who register the same new %s in opposite order', async (_what, key, make) => {
    const answers = await meet(
      db().sql,
      async () => {
        const [a, b] = await two();
        const rows = make(2);
        return [
          [a, upsert(rows, key)],
          [b, upsert(rows.toReversed(), key)],
        ];
      },
      40,
    );
    expectClear(answers);
  });

  test('of whom four and four register eight devices', async () => {
    const answers = await meet(
      db().sql,
      async () => {
        const rows = devices(8);
        const users = await Promise.all(Array.from({ length: 4 }, two));
        return users.flatMap(([a, b]): [string, Work][] => [
          [a, upsert(rows)],
          [b, upsert(rows.toReversed())],
        ]);
      },
      3,
    );
    expectClear(answers);
  });

  test('of whom one takes devices over while the other registers them again', async () => {
    const answers = await meet(db().sql, async () => {
      const rows = devices(3);
      const [a, b] = await ownerOf(rows);
      return [
        [a, upsert(rows)],
        [b, upsert(rows.toReversed())],
      ];
    });
    expectClear(answers);
  });

  test.each<[string, Work]>([
    ['renames all of theirs', (t) => t`update public.push_subscriptions set device_name = 'Mine'`],
    ['deletes all of theirs', (t) => t`delete from public.push_subscriptions`],
    [
      'changes what they prefer on theirs',
      (t) => t`update public.push_device_preferences set enabled = false`,
    ],
  ])('of whom one takes devices over while the other %s', async (_what, work) => {
    const answers = await meet(db().sql, async () => {
      const rows = devices(4);
      const [a, b] = await ownerOf(rows);
      await db().sql`
        insert into public.push_device_preferences (subscription_id, user_id)
        select id, user_id from public.push_subscriptions where user_id = ${a}`;
      return [
        [a, work],
        [b, upsert(rows.toReversed())],
      ];
    });
    expectClear(answers);
  });

  test('who swap their devices by changing the endpoint', async () => {
    const answers = await meet(db().sql, async () => {
      const [a, b] = await two();
      const [first, second] = devices(2) as [Rows[0], Rows[0]];
      await subscribe(db().sql, a, first);
      await subscribe(db().sql, b, second);
      const change =
        (row: Rows[0]): Work =>
        (t) =>
          t`update public.push_subscriptions set ${t(row as never)}`;
      return [
        [a, change(second)],
        [b, change(first)],
      ];
    });
    expectClear(answers);
  });

  test('in a circle that is certain: one of them is refused at once, the other has both devices', async () => {
    const { sql, url } = db();
    const [a, b] = await two();
    const rows = devices(2);
    // Whose lock is the lower one.
    const order = await sql<{ endpoint: string }[]>`
      select e.endpoint from unnest(${rows.map(({ endpoint }) => endpoint as string)}::text[]) as e (endpoint)
      order by hashtextextended('supapush.endpoint.' || e.endpoint, 0)`;
    const [low, high] = order.map(({ endpoint }) => rows.find((row) => row.endpoint === endpoint));
    await withSessions(url, 2, async (one, other) => {
      if (!one || !other) throw new Error('two sessions');
      for (const [session, user, row] of [
        [one, a, low],
        [other, b, high],
      ] as const) {
        await session.sql`begin`;
        await becomeUser(session.sql, user);
        await session.sql`insert into public.push_subscriptions ${session.sql(row as never)}`;
      }
      const waits = one.sql`insert into public.push_subscriptions ${one.sql(high as never)}`.execute();
      await untilBlocked(sql, one);
      const closes = other.sql`insert into public.push_subscriptions ${other.sql(low as never)}`;
      expect(await refusalOf(closes)).toMatchObject({
        sqlstate: 'PT409',
        code: 'device_busy',
        hint: 'Try again.',
      });
      await other.sql`rollback`;
      await waits;
      await one.sql`commit`;
    });
    const owners = await sql`select user_id from public.push_subscriptions`;
    expect(owners.map(({ user_id }) => user_id)).toEqual([a, a]);
  });
});

test('a user who registers while the account is being deleted', async () => {
  const { sql } = db();
  const answers = await meet(db().sql, async () => {
    const [own, fresh] = devices(2) as [Rows[0], Rows[0]];
    const [a, b] = await ownerOf([own]);
    return [
      [a, upsert([own, fresh])],
      // As GoTrue does, in a transaction of its own.
      [b, async () => void (await sql`delete from auth.users where id = ${a}`)],
    ];
  });
  expectClear(answers, 'PT401 user_unknown');
});

test('keys that differ are told as such, also in a circle', async () => {
  const answers = await meet(db().sql, async () => {
    const rows = devices(2);
    const [a, b] = await ownerOf(rows);
    return [
      [a, upsert(rows)],
      [b, upsert(rows.toReversed().map((row) => ({ ...row, ...createKeys() })))],
    ];
  });
  expectClear(answers, 'PT409 endpoint_taken');
});

import type postgres from 'postgres';
import { beforeEach, describe, expect, test } from 'vitest';
import { makeAlert } from '../../support/alerts.ts';
import { asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, notify } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { becomeUser, untilBlocked, withSessions } from '../../support/sessions.ts';
import {
  createAppSubscription,
  createKeys,
  createSubscription,
  subscribe,
} from '../../support/subscriptions.ts';
import { createTopic, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

const ROUNDS = 15;
type Work = (sql: postgres.TransactionSql) => PromiseLike<unknown>;
type Rows = Record<string, unknown>[];

/** What a client is told: ok, or the SQLSTATE and, of ours, the code. */
async function answer(userId: string, work: Work): Promise<string> {
  try {
    await asUser(db().sql, userId, (t) => work(t) as Promise<unknown>);
    return 'ok';
  } catch (error) {
    const { code, detail } = error as { code: string; detail?: string };
    return code.startsWith('PT') ? `${code} ${detail}` : code;
  }
}

/** Both at once, a number of times; every answer there was, once. */
async function meet(scenario: () => Promise<[string, Work][]>, rounds = ROUNDS): Promise<Set<string>> {
  const answers = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    const sides = await scenario();
    for (const one of await Promise.all(sides.map(([userId, work]) => answer(userId, work))))
      answers.add(one);
  }
  return answers;
}

/** Success, or that somebody else was faster; never what Postgres says of a circle or of a key that is taken. */
function expectClear(answers: Set<string>, ...more: string[]) {
  for (const one of answers) expect(['ok', 'PT409 device_busy', ...more]).toContain(one);
  expect(answers).toContain('ok');
}

const upsert =
  (rows: Rows, key = 'endpoint'): Work =>
  (t) => {
    const sets = Object.keys(rows[0] ?? {}).map((column) => `${column} = excluded.${column}`);
    return t`
      insert into public.push_subscriptions ${t(rows as never)}
      on conflict (${t(key)}) do update set ${t.unsafe(sets.join(', '))}`;
  };

const devices = (count: number): Rows => Array.from({ length: count }, () => ({ ...createSubscription() }));
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
    const answers = await meet(async () => {
      const [a, b] = await two();
      const rows = make(2);
      return [
        [a, upsert(rows, key)],
        [b, upsert(rows.toReversed(), key)],
      ];
    }, 40);
    expectClear(answers);
  });

  test('of whom four and four register eight devices', async () => {
    const answers = await meet(async () => {
      const rows = devices(8);
      const users = await Promise.all(Array.from({ length: 4 }, two));
      return users.flatMap(([a, b]): [string, Work][] => [
        [a, upsert(rows)],
        [b, upsert(rows.toReversed())],
      ]);
    }, 3);
    expectClear(answers);
  });

  test('of whom one takes devices over while the other registers them again', async () => {
    const answers = await meet(async () => {
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
    const answers = await meet(async () => {
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
    const answers = await meet(async () => {
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
  const answers = await meet(async () => {
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

describe('one user in two tabs', () => {
  /** Both tabs of a user, made anew each time. */
  const tabs = (make: (userId: string) => Promise<[Work, Work]>) => async (): Promise<[string, Work][]> => {
    const { id } = await createUser(db().sql);
    const works = await make(id);
    return works.map((work): [string, Work] => [id, work]);
  };

  test('who registers devices in opposite order, or changes and deletes them', async () => {
    const rows = () => devices(4);
    const answers = await meet(
      tabs(async () => {
        const own = rows();
        return [upsert(own), upsert(own.toReversed())];
      }),
    );
    expectClear(answers);
    for (const work of [
      (t) => t`update public.push_subscriptions set device_name = 'Mine'`,
      (t) => t`delete from public.push_subscriptions`,
    ] as Work[]) {
      const meeting = await meet(
        tabs(async (id) => {
          const own = rows();
          for (const row of own) await subscribe(db().sql, id, row);
          return [upsert(own.toReversed()), work];
        }),
      );
      expectClear(meeting);
    }
  });

  test('who joins, leaves and reads topics', async () => {
    const { sql } = db();
    const topics = await Promise.all(Array.from({ length: 4 }, () => createTopic(sql, 0)));
    for (const { topic } of topics) await notifyTopic(sql, topic);
    const keys = topics.map(({ topic }) => topic).sort();
    const join =
      (order: string[]): Work =>
      (t) =>
        t`insert into public.push_topic_members ${t(order.map((topic) => ({ topic })))} on conflict do nothing`;
    expectClear(await meet(tabs(async () => [join(keys), join(keys.toReversed())])));
    for (const work of [
      (t) => t`select public.push_mark_all_read(now())`,
      (t) => t`update public.push_topic_members set read_until = now()`,
      join(keys.toReversed()),
    ] as Work[]) {
      const answers = await meet(
        tabs(async (id) => {
          await asUser(sql, id, (t) => join(keys.toReversed())(t) as Promise<unknown>);
          return [work, (t) => t`delete from public.push_topic_members`];
        }),
      );
      expectClear(answers);
    }
  });

  test('who marks messages, one by one and all', async () => {
    const { sql } = db();
    const { topic } = await createTopic(sql, 0);
    for (let message = 0; message < 4; message += 1) await notifyTopic(sql, topic);
    const ids = (await sql<{ id: string }[]>`select id from public.push_notifications order by id`).map(
      ({ id }) => id,
    );
    const mark =
      (order: string[]): Work =>
      (t) =>
        t`
          insert into public.push_reads ${t(order.map((notification_id) => ({ notification_id })))}
          on conflict (user_id, notification_id) do update set read_at = excluded.read_at`;
    const make = async (id: string) => {
      await sql`insert into public.push_topic_members (topic, user_id) values (${topic}, ${id})`;
      for (let message = 0; message < 4; message += 1) await notify(sql, id);
    };
    for (const works of [
      [mark(ids), mark(ids.toReversed())],
      [mark(ids.toReversed()), (t) => t`delete from public.push_reads`],
      [mark(ids.toReversed()), (t) => t`select public.push_mark_read(${ids}::uuid[])`],
      [
        (t) => t`update public.push_notifications set read_at = now() where user_id = auth.uid()`,
        (t) => t`select public.push_mark_all_read(now())`,
      ],
    ] as [Work, Work][]) {
      const answers = await meet(
        tabs(async (id) => {
          await make(id);
          return works;
        }),
        8,
      );
      expectClear(answers);
    }
  });

  test('who says what they prefer, at all and on devices', async () => {
    const { sql } = db();
    const answers = await meet(
      tabs(async (id) => {
        const ids = [await subscribe(sql, id), await subscribe(sql, id), await subscribe(sql, id)];
        const prefer =
          (order: string[]): Work =>
          (t) =>
            t`
              insert into public.push_device_preferences
              ${t(order.map((subscription_id) => ({ subscription_id, enabled: true })))}
              on conflict (subscription_id) do update set enabled = excluded.enabled`;
        return [prefer(ids), prefer(ids.toReversed())];
      }),
    );
    expectClear(answers);
    const once: Work = (t) =>
      t`insert into public.push_preferences (enabled) values (true) on conflict (user_id) do update set enabled = excluded.enabled`;
    expectClear(await meet(tabs(async () => [once, (t) => t`delete from public.push_preferences`])));
  });

  test('who changes and deletes alerts', async () => {
    const { sql } = db();
    const answers = await meet(
      tabs(async (id) => {
        const ids = [
          await makeAlert(sql, {}, id),
          await makeAlert(sql, {}, id),
          await makeAlert(sql, {}, id),
        ];
        const rows = ids.map((one) => ({ id: one, symbol: 'DAX', condition: 'above', threshold: 1 }));
        return [
          async (t) => {
            for (const row of rows.toReversed())
              await t`update public.push_alerts set ${t({ symbol: row.symbol, threshold: 2 })} where id = ${row.id}`;
          },
          (t) => t`delete from public.push_alerts`,
        ];
      }),
    );
    expectClear(answers);
  });
});

test('keys that differ are told as such, also in a circle', async () => {
  const answers = await meet(async () => {
    const rows = devices(2);
    const [a, b] = await ownerOf(rows);
    return [
      [a, upsert(rows)],
      [b, upsert(rows.toReversed().map((row) => ({ ...row, ...createKeys() })))],
    ];
  });
  expectClear(answers, 'PT409 endpoint_taken');
});

import { beforeEach, test } from 'vitest';
import { makeAlert } from '../../support/alerts.ts';
import { devices, expectClear, meet, upsert, type Work } from '../../support/meetings.ts';
import { asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, notify } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { createTopic, notifyTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

/** Both tabs of a user, made anew each time. */
const tabs = (make: (userId: string) => Promise<[Work, Work]>) => async (): Promise<[string, Work][]> => {
  const { id } = await createUser(db().sql);
  const works = await make(id);
  return works.map((work): [string, Work] => [id, work]);
};

test('tabs that register devices in opposite order, or change and delete them', async () => {
  const rows = () => devices(4);
  const answers = await meet(
    db().sql,
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
      db().sql,
      tabs(async (id) => {
        const own = rows();
        for (const row of own) await subscribe(db().sql, id, row);
        return [upsert(own.toReversed()), work];
      }),
    );
    expectClear(meeting);
  }
});

test('tabs that join, leave and read topics', async () => {
  const { sql } = db();
  const topics = await Promise.all(Array.from({ length: 4 }, () => createTopic(sql, 0)));
  for (const { topic } of topics) await notifyTopic(sql, topic);
  const keys = topics.map(({ topic }) => topic).sort();
  const join =
    (order: string[]): Work =>
    (t) =>
      t`insert into public.push_topic_members ${t(order.map((topic) => ({ topic })))} on conflict do nothing`;
  expectClear(
    await meet(
      db().sql,
      tabs(async () => [join(keys), join(keys.toReversed())]),
    ),
  );
  for (const work of [
    (t) => t`select public.push_mark_all_read(now())`,
    (t) => t`update public.push_topic_members set read_until = now()`,
    join(keys.toReversed()),
  ] as Work[]) {
    const answers = await meet(
      db().sql,
      tabs(async (id) => {
        await asUser(sql, id, (t) => join(keys.toReversed())(t) as Promise<unknown>);
        return [work, (t) => t`delete from public.push_topic_members`];
      }),
    );
    expectClear(answers);
  }
});

test('tabs that mark messages, one by one and all', async () => {
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
      db().sql,
      tabs(async (id) => {
        await make(id);
        return works;
      }),
      8,
    );
    expectClear(answers);
  }
});

test('tabs that set preferences, for the user and for devices', async () => {
  const { sql } = db();
  const answers = await meet(
    db().sql,
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
  expectClear(
    await meet(
      db().sql,
      tabs(async () => [once, (t) => t`delete from public.push_preferences`]),
    ),
  );
});

test('tabs that change and delete alerts', async () => {
  const { sql } = db();
  const answers = await meet(
    db().sql,
    tabs(async (id) => {
      const ids = [await makeAlert(sql, {}, id), await makeAlert(sql, {}, id), await makeAlert(sql, {}, id)];
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

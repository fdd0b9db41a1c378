import { beforeEach, describe, expect, test } from 'vitest';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, setSetting } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { becomeUser, untilBlocked, withSessions } from '../../support/sessions.ts';
import { createTopic } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
let topic: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await setSetting(sql, 'max_topics_per_user', 100);
  user = (await createUser(sql)).id;
  topic = (await createTopic(sql, 2)).topic;
});

const join = (userId: string, key = topic) =>
  asUser(db().sql, userId, (t) => t`insert into public.push_topic_members (topic) values (${key})`);
const topicsOf = async (userId: string) =>
  (await db().sql`select topic from public.push_topic_members where user_id = ${userId}`).map(
    (row) => row.topic,
  );

test('a user sees the topics there are, joins one and leaves it', async () => {
  const { sql } = db();
  const topics = await asUser(sql, user, (t) => t`select key, title from public.push_topics`);
  expect([...topics]).toEqual([{ key: topic, title: 'A topic' }]);
  await join(user);
  expect(await topicsOf(user)).toEqual([topic]);
  await asUser(sql, user, (t) => t`delete from public.push_topic_members where topic = ${topic}`);
  expect(await topicsOf(user)).toEqual([]);
});

test('a user sees no membership but their own, and ends no other', async () => {
  const { sql } = db();
  await join(user);
  const seen = await asUser(sql, user, (t) => t`select topic, user_id from public.push_topic_members`);
  expect([...seen]).toEqual([{ topic, user_id: user }]);
  await asUser(sql, user, (t) => t`delete from public.push_topic_members`);
  expect(await sql`select from public.push_topic_members`).toHaveLength(2);
});

describe('refused is', () => {
  test('to join for another user, at the limit too', async () => {
    const { sql } = db();
    const other = await createUser(sql);
    await setSetting(sql, 'max_topics_per_user', 1);
    await join(other.id);
    for (const key of [topic, 'unknown']) {
      const insert = asUser(
        sql,
        user,
        (t) => t`insert into public.push_topic_members (topic, user_id) values (${key}, ${other.id})`,
      );
      expect((await refusalOf(insert)).sqlstate).toBe('42501');
    }
  });

  test('to join without signing in', async () => {
    const insert = asAnon(
      db().sql,
      (t) => t`insert into public.push_topic_members (topic) values (${topic})`,
    );
    expect((await refusalOf(insert)).sqlstate).toBe('42501');
  });

  test('to say when one joined', async () => {
    const insert = asUser(
      db().sql,
      user,
      (t) => t`insert into public.push_topic_members (topic, created_at) values (${topic}, '2020-01-01')`,
    );
    expect((await refusalOf(insert)).sqlstate).toBe('42501');
  });

  test('to join a topic that is not there', async () => {
    expect(await refusalOf(join(user, 'nothing'))).toMatchObject({
      sqlstate: 'PT404',
      code: 'topic_unknown',
    });
  });

  test('to make a topic', async () => {
    const insert = asUser(
      db().sql,
      user,
      (t) => t`insert into public.push_topics (key, title) values ('mine', 'Mine')`,
    );
    expect((await refusalOf(insert)).sqlstate).toBe('42501');
  });

  test('one more topic than the settings allow', async () => {
    const { sql } = db();
    await setSetting(sql, 'max_topics_per_user', 2);
    for (let index = 0; index < 2; index += 1) await join(user, (await createTopic(sql, 0)).topic);
    expect(await refusalOf(join(user))).toMatchObject({
      sqlstate: 'PT429',
      code: 'too_many_topics',
      message: expect.stringContaining('2'),
      hint: expect.stringMatching(/\S/),
    });
  });
});

test('at the limit, joining again changes nothing and is no error', async () => {
  const { sql } = db();
  await setSetting(sql, 'max_topics_per_user', 1);
  for (let index = 0; index < 2; index += 1)
    await asUser(
      sql,
      user,
      (t) => t`insert into public.push_topic_members (topic) values (${topic}) on conflict do nothing`,
    );
  expect(await topicsOf(user)).toEqual([topic]);
});

test('two at once do not get past the limit', async () => {
  const { sql, url } = db();
  await setSetting(sql, 'max_topics_per_user', 1);
  const other = (await createTopic(sql, 0)).topic;
  await withSessions(url, 2, async (first, second) => {
    if (!first || !second) throw new Error('two sessions');
    for (const session of [first, second]) {
      await session.sql`begin`;
      await becomeUser(session.sql, user);
    }
    await first.sql`insert into public.push_topic_members (topic) values (${topic})`;
    const refused = refusalOf(second.sql`insert into public.push_topic_members (topic) values (${other})`);
    await untilBlocked(sql, second);
    await first.sql`commit`;
    expect(await refused).toMatchObject({ code: 'too_many_topics' });
  });
  expect(await topicsOf(user)).toEqual([topic]);
});

test('the service adds as many members as it likes, in one statement', async () => {
  const { sql } = db();
  await setSetting(sql, 'max_topics_per_user', 1);
  const other = (await createTopic(sql, 0)).topic;
  await sql`insert into auth.users (id) select gen_random_uuid() from generate_series(1, 20000)`;
  const users = (await sql<{ id: string }[]>`select id from auth.users`).map(({ id }) => id);
  const added = await asService(
    sql,
    (t) => t`
      insert into public.push_topic_members (topic, user_id)
      select ${other}, u from unnest(${users}::uuid[]) as u`,
  );
  expect(added.count).toBeGreaterThan(20_000);
});

test.each(['News', 'new topic', '', ':a', 'x'.repeat(101), 'a\n'])('%j is no key of a topic', async (key) => {
  const insert = db().sql`insert into public.push_topics (key, title) values (${key}, 'A topic')`;
  expect((await refusalOf(insert)).sqlstate).toBe('23514');
});

test.each(['news', 'deals:won', '0-day', 'a.b_c'])('%j is one', async (key) => {
  const made = await db().sql`insert into public.push_topics (key, title) values (${key}, 'A topic')`;
  expect(made.count).toBe(1);
});

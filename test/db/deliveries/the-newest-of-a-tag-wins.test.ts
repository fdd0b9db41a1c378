import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, plus, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { createTopic, fanOutAll } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
let now: Date;
beforeEach(async () => {
  await clearQueue(db().sql);
  user = (await createUser(db().sql)).id;
  await subscribe(db().sql, user);
  now = startOfClock();
});

const say = async (
  title: string,
  values: { tag?: string; collapseKey?: string; sendAt?: Date; to?: string } = {},
) => {
  await db().sql`
    select push.notify(
      p_user_id => ${values.to ?? user}, p_title => ${title}, p_tag => ${values.tag ?? null},
      p_collapse_key => ${values.collapseKey ?? null}, p_send_at => ${values.sendAt ?? null}
    )`;
};
const claimedAt = (when: Date, limit = 100) => claim(db().sql, when, { limit });
const titles = (rows: { title: string }[]) => rows.map(({ title }) => title).sort();
/** What became of each message: its state, with the reason. */
const became = async () =>
  Object.fromEntries(
    (
      await db().sql<{ title: string; state: string }[]>`
        select n.title, concat_ws(' ', d.state, d.last_code) as state
        from push.deliveries as d join public.push_notifications as n on n.id = d.notification_id`
    ).map(({ title, state }) => [title, state]),
  );

test('of several that wait, the newest alone is handed out, and the log says why', async () => {
  for (const title of ['first', 'second', 'third']) await say(title, { tag: 'deal:7' });
  expect(titles(await claimedAt(now))).toEqual(['third']);
  expect(await became()).toEqual({
    first: 'cancelled superseded',
    second: 'cancelled superseded',
    third: 'sending',
  });
});

test('a collapse key is a tag, too', async () => {
  for (const title of ['first', 'second']) await say(title, { collapseKey: 'deal-7' });
  expect(titles(await claimedAt(now))).toEqual(['second']);
});

test('messages without a tag, of other tags and to other users are all handed out', async () => {
  const other = (await createUser(db().sql)).id;
  await subscribe(db().sql, other);
  await say('a');
  await say('b');
  await say('c', { tag: 'deal:7' });
  await say('d', { tag: 'deal:8' });
  await say('e', { tag: 'deal:7', to: other });
  expect(titles(await claimedAt(now))).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('an older one that waits to be tried again is taken back when a newer one goes out', async () => {
  await say('old', { tag: 'deal:7' });
  const first = await claimedAt(now);
  await complete(
    db().sql,
    now,
    first.map((row) => ({ ...row, outcome: 'retry', status: 500 })),
  );
  await say('new', { tag: 'deal:7' });
  await db().sql`update public.push_subscriptions set failures = 0, failed_at = null, retry_at = null`;
  expect(titles(await claimedAt(plus(now, 1)))).toEqual(['new']);
  expect(await became()).toEqual({ old: 'cancelled superseded', new: 'sending' });
});

test.each([
  ['fails, is not tried again', 'retry', 500, 'cancelled superseded'],
  ['is sent, is sent', 'sent', 201, 'sent'],
] as const)('an older one that is under way and %s', async (_, outcome, status, state) => {
  await say('old', { tag: 'deal:7' });
  const old = await claimedAt(now);
  await say('new', { tag: 'deal:7' });
  const newer = await claimedAt(plus(now, 1));
  expect(titles(newer)).toEqual(['new']);
  await complete(
    db().sql,
    plus(now, 2),
    old.map((row) => ({ ...row, outcome, status })),
  );
  expect(await became()).toEqual({ old: state, new: 'sending' });
});

test('an older one whose dispatcher died is not handed out again', async () => {
  await say('old', { tag: 'deal:7' });
  await claimedAt(now);
  await say('new', { tag: 'deal:7' });
  const newer = await claimedAt(plus(now, 1));
  await complete(
    db().sql,
    plus(now, 2),
    newer.map((row) => ({ ...row, outcome: 'sent', status: 201 })),
  );
  await db().sql`select push.recover_leases(${plus(now, 600)})`;
  expect(await became()).toEqual({ old: 'cancelled superseded', new: 'sent' });
});

test('a newer one that waits for later takes nothing back; a message is as new as the moment it is due', async () => {
  await say('reminder', { tag: 'event:1', sendAt: plus(now, 3600) });
  await say('moved', { tag: 'event:1' });
  expect(titles(await claimedAt(now))).toEqual(['moved']);
  await db().sql`select push.enqueue_due_notifications(10, ${plus(now, 3600)})`;
  expect(titles(await claimedAt(plus(now, 3601)))).toEqual(['reminder']);
});

test('a message to a topic is as old as when it was written, however late a member is served', async () => {
  const { sql } = db();
  const { topic, userIds } = await createTopic(sql, 1);
  await sql`select push.notify_topic(p_audience_topic => ${topic}, p_title => 'old', p_tag => 'deal:7')`;
  await say('new', { tag: 'deal:7', to: userIds[0] as string });
  await fanOutAll(sql, 10, now);
  expect(titles(await claimedAt(plus(now, 1)))).toEqual(['new']);
  expect(await became()).toEqual({ old: 'cancelled superseded', new: 'sending' });
});

test('a message to a topic without a tag has no place', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 1);
  await sql`select push.notify_topic(p_audience_topic => ${topic}, p_title => 'plain')`;
  await fanOutAll(sql, 10, now);
  expect(await claimedAt(plus(now, 1))).toMatchObject([{ title: 'plain', position: null }]);
});

test('what is handed out says its place, the same for all devices of a user', async () => {
  await subscribe(db().sql, user);
  await say('old', { tag: 'deal:7' });
  const old = await claimedAt(now);
  await say('new', { tag: 'deal:7' });
  await say('plain');
  const rows = [...old, ...(await claimedAt(plus(now, 1)))] as unknown as {
    title: string;
    position: number | null;
  }[];
  const places = (title: string) => rows.filter((row) => row.title === title).map(({ position }) => position);
  expect(places('old')).toHaveLength(2);
  expect(new Set(places('old')).size).toBe(1);
  expect(places('new')[0]).toBeGreaterThan(places('old')[0] as number);
  expect(places('plain')).toEqual([null, null]);
});

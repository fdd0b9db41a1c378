import { beforeEach, describe, expect, test } from 'vitest';
import { fillQueue, pause, resume, type Scope } from '../../support/pauses.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, notify, plus, startOfClock } from '../../support/queue.ts';
import { deliveryStates } from '../../support/recipients.ts';
import { createEndpoint, FCM, MOZILLA, subscribe } from '../../support/subscriptions.ts';
import { createTopic, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const MINUTES = 60;
const db = useDatabase();
let userId: string;
let now: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`insert into public.push_categories (key, title) values ('alerts', 'Alerts') on conflict do nothing`;
  userId = (await createUser(sql)).id;
  await subscribe(sql, userId);
  now = startOfClock();
});

const SCOPES: [string, Scope][] = [
  ['the project', {}],
  ['a category', { category: 'alerts' }],
  ['a push service', { host: FCM }],
];

const write = (title: string) => notify(db().sql, userId, { title, category: 'alerts' });
/** As if what waits had become due so many seconds earlier. */
const age = (seconds: number) => db().sql`
  update push.queue
  set due_at = due_at - make_interval(secs => ${seconds}), parked_due_at = parked_due_at - make_interval(secs => ${seconds})
  where lease_until is null`;
const became = async () => {
  const rows = await db().sql<{ title: string; state: string; code: string | null }[]>`
    select n.title, d.state, d.last_code as code
    from push.deliveries as d join public.push_notifications as n on n.id = d.notification_id
    order by n.title`;
  return rows.map(({ title, state, code }) => [title, state, code]);
};

describe.each(SCOPES)('after a pause of %s', (_, scope) => {
  test('what became due longer ago is cancelled with a reason, the rest is sent, and all is in the inbox', async () => {
    const { sql } = db();
    await write('a, before');
    await pause(sql, now, scope);
    await write('b, at its beginning');
    await age(20 * MINUTES);
    await write('c, lately');
    const ended = await resume(sql, plus(now, 1), { ...scope, discardOlderThan: '10 minutes' });
    expect(ended).toMatchObject({
      discarded: 2,
      resumed_at: expect.any(String),
      discard_before: expect.any(String),
    });
    expect((await claim(sql, plus(now, 2))).map(({ title }) => title)).toEqual(['c, lately']);
    expect(await became()).toEqual([
      ['a, before', 'cancelled', 'discarded'],
      ['b, at its beginning', 'cancelled', 'discarded'],
      ['c, lately', 'sending', null],
    ]);
    expect(await sql`select from public.push_notifications where status = 'queued'`).toHaveLength(3);
  });

  test('nothing is cancelled where that was not asked for', async () => {
    const { sql } = db();
    await write('a');
    await pause(sql, now, scope);
    await age(20 * MINUTES);
    expect(await resume(sql, plus(now, 1), scope)).toMatchObject({ discarded: 0, discard_before: null });
    expect(await claim(sql, plus(now, 2))).toHaveLength(1);
  });

  test('with no time at all everything that waits is cancelled, and nothing that is written later', async () => {
    const { sql } = db();
    await write('a');
    await pause(sql, now, scope);
    await write('b');
    const end = startOfClock();
    await resume(sql, end, { ...scope, discardOlderThan: '0 seconds' });
    // As an app that gives the moment of what happened: long ago, and still meant to be sent.
    await sql`update push.queue set created_at = ${end} where lease_until is null`;
    await notify(sql, userId, { title: 'c', category: 'alerts', sendAt: plus(now, -3600) });
    await sql`update push.queue set created_at = ${plus(end, 1)} where lease_until is null`;
    expect((await claim(sql, plus(end, 2))).map(({ title }) => title)).toEqual(['c']);
  });

  test('a deep backlog is discarded in chunks, and nothing of it is handed out meanwhile', async () => {
    const { sql } = db();
    await pause(sql, now, scope);
    await fillQueue(sql, userId, 3000, 'alerts');
    await age(20 * MINUTES);
    await write('fresh');
    // The first chunk is that of resume() itself, which here does not get the lock of chunks.
    await sql.begin(async (t) => {
      await t`select pg_advisory_xact_lock(hashtextextended('supapush.pauses', 0))`;
      await resume(sql, plus(now, 1), { ...scope, discardOlderThan: '10 minutes' });
    });
    expect(await deliveryStates(sql)).toEqual({ queued: 3001 });
    const found: number[] = [];
    for (let chunk = 0; chunk < 4; chunk++) {
      await sql`select push.advance_pauses(1000, ${plus(now, 2)})`;
      found.push((await deliveryStates(sql)).cancelled ?? 0);
    }
    expect(found).toEqual([1000, 2000, 3000, 3000]);
    expect((await claim(sql, startOfClock())).map(({ title }) => title)).toEqual(['fresh']);
    expect(await sql`select discarded::int, cleared_at is not null as settled from push.pauses`).toEqual([
      { discarded: 3000, settled: true },
    ]);
  });

  test('a claim that comes before the chunks hands out none of it either', async () => {
    const { sql } = db();
    await pause(sql, now, scope);
    await fillQueue(sql, userId, 500, 'alerts');
    await age(20 * MINUTES);
    await sql.begin(async (t) => {
      await t`select pg_advisory_xact_lock(hashtextextended('supapush.pauses', 0))`;
      await resume(sql, plus(now, 1), { ...scope, discardOlderThan: '10 minutes' });
      expect(await claim(sql, plus(now, 2), { limit: 1000 })).toEqual([]);
    });
  });
});

test('what waits for a device in its backoff does not escape by being put off', async () => {
  const { sql } = db();
  await pause(sql, now);
  await fillQueue(sql, userId, 100);
  await age(20 * MINUTES);
  await sql`
    update public.push_subscriptions set failures = 1, failed_at = ${now}, retry_at = ${plus(now, 30)}`;
  await sql.begin(async (t) => {
    await t`select pg_advisory_xact_lock(hashtextextended('supapush.pauses', 0))`;
    await resume(sql, plus(now, 1), { discardOlderThan: '10 minutes' });
    expect(await claim(sql, plus(now, 2))).toHaveLength(0);
  });
  expect(await claim(sql, plus(now, 60))).toHaveLength(0);
  expect(await deliveryStates(sql)).toEqual({ cancelled: 100 });
});

test('what is not of the scope stays', async () => {
  const { sql } = db();
  await subscribe(sql, userId, { endpoint: createEndpoint(MOZILLA) });
  await notify(sql, userId, { title: 'feed', category: 'feed' });
  await pause(sql, now, { category: 'alerts' });
  await age(20 * MINUTES);
  await resume(sql, plus(now, 1), { category: 'alerts', discardOlderThan: '0 seconds' });
  await pause(sql, now, { host: MOZILLA });
  await resume(sql, plus(now, 1), { host: MOZILLA, discardOlderThan: '0 seconds' });
  expect((await claim(sql, plus(now, 2))).map(({ host }) => host)).toEqual([FCM]);
});

test('a category that is resumed before all of it was put aside is discarded where it stands', async () => {
  const { sql } = db();
  await fillQueue(sql, userId, 300, 'alerts');
  await notify(sql, userId, { title: 'feed', category: 'feed' });
  await age(20 * MINUTES);
  await sql.begin(async (t) => {
    await t`select pg_advisory_xact_lock(hashtextextended('supapush.pauses', 0))`;
    await pause(sql, now, { category: 'alerts' });
    await resume(sql, plus(now, 1), { category: 'alerts', discardOlderThan: '10 minutes' });
  });
  expect((await claim(sql, plus(now, 2), { limit: 1000 })).map(({ title }) => title)).toEqual(['feed']);
  expect(await deliveryStates(sql)).toEqual({ cancelled: 300, sending: 1 });
});

test('what is paused again while its end is being worked on waits for the new end', async () => {
  const { sql } = db();
  await pause(sql, now, { category: 'alerts' });
  await fillQueue(sql, userId, 20, 'alerts');
  await sql.begin(async (t) => {
    await t`select pg_advisory_xact_lock(hashtextextended('supapush.pauses', 0))`;
    await resume(sql, plus(now, 1), { category: 'alerts' });
    await pause(sql, plus(now, 2), { category: 'alerts' }, 'again');
  });
  for (let seconds = 3; seconds < 10; seconds++) expect(await claim(sql, plus(now, seconds))).toEqual([]);
  await resume(sql, plus(now, 11), { category: 'alerts' });
  await claim(sql, plus(now, 12), { limit: 0 });
  expect(await claim(sql, plus(now, 13))).toHaveLength(20);
});

test.each([
  ['the project', {}],
  ['a category', { category: 'alerts' }],
])('after a pause of %s, an old message to a topic reaches no further members', async (_, scope: Scope) => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 3);
  const tell = async () => {
    const [row] = await sql<{ id: string }[]>`
      select push.notify_topic(${topic}, 'Hello', p_category => 'alerts') as id`;
    return (row as { id: string }).id;
  };
  await pause(sql, now, scope);
  const old = await tell();
  await sql`update push.fan_outs set started_at = started_at - interval '20 minutes'`;
  const fresh = await tell();
  await resume(sql, plus(now, 1), { ...scope, discardOlderThan: '10 minutes' });
  while ((await sql`select push.fan_out(null, ${plus(now, 2)}) as more`)[0]?.more);
  expect(await readProgress(sql, old)).toMatchObject({ status: 'queued', members: 0, total: 0 });
  expect(await readProgress(sql, fresh)).toMatchObject({ status: 'queued', members: 3, queued: 3 });
});

import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { connectBell, countRings } from '../../support/bell.ts';
import { pause, resume, type Scope } from '../../support/pauses.ts';
import { createUser } from '../../support/postgres.ts';
import { claim, clearQueue, complete, notify, plus, setSetting, startOfClock } from '../../support/queue.ts';
import { FCM, subscribe } from '../../support/subscriptions.ts';
import { createTopic, notifyTopic, readProgress } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let userId: string;
let now: Date;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  await sql`
    insert into public.push_categories (key, title) values ('alerts', 'Alerts') on conflict do nothing`;
  userId = (await createUser(sql)).id;
  await subscribe(sql, userId);
  now = startOfClock();
});

const SCOPES: [string, Scope][] = [
  ['the project', {}],
  ['a category', { category: 'alerts' }],
  ['a push service', { host: FCM }],
];

const forget = async () => {
  await db().sql`delete from net.http_request_queue`;
  await db().sql`delete from push.dispatchers`;
};
const ask = async (question: 'has_due' | 'has_work', at: Date) => {
  const [row] = await db().sql<{ answer: boolean }[]>`
    select ${db().sql.unsafe(`push.${question}`)}(${at}) as answer`;
  return row?.answer;
};
const write = () => notify(db().sql, userId, { category: 'alerts' });
const tick = async (at: Date) => {
  const [row] = await db().sql<{ result: { rung: boolean } }[]>`select push.tick(${at}) as result`;
  return row?.result.rung;
};

describe.each(SCOPES)('while %s is paused', (_, scope) => {
  test('what waited before rings for no dispatcher, however long', async () => {
    await write();
    await pause(db().sql, now, scope);
    await forget();
    for (let seconds = 10; seconds <= 120; seconds += 10) expect(await tick(plus(now, seconds))).toBe(false);
    expect(await countRings(db().sql)).toBe(0);
    expect([await ask('has_due', plus(now, 121)), await ask('has_work', plus(now, 121))]).toEqual([
      false,
      false,
    ]);
  });

  test('nor does what is written meanwhile', async () => {
    await pause(db().sql, now, scope);
    await forget();
    for (let n = 0; n < 10; n++) await write();
    expect(await countRings(db().sql)).toBe(0);
    expect(await ask('has_work', plus(now, 1))).toBe(false);
  });

  test('nor what comes back from a dispatcher', async () => {
    const { sql } = db();
    await write();
    const [claimed] = await claim(sql, now);
    if (!claimed) throw new Error('claimed before');
    await pause(sql, now, scope);
    await complete(sql, now, [{ ...claimed, outcome: 'retry', status: 503 }]);
    await forget();
    for (let seconds = 10; seconds <= 60; seconds += 10) expect(await tick(plus(now, seconds))).toBe(false);
    expect(await countRings(sql)).toBe(0);
  });

  test('nor what was quiet until now, or scheduled', async () => {
    const { sql } = db();
    await notify(sql, userId, { category: 'alerts', sendAt: plus(now, 30) });
    await write();
    await sql`update push.queue set due_at = ${plus(now, 30)}, last_code = 'quiet_hours'`;
    await pause(sql, now, scope);
    await forget();
    for (let seconds = 10; seconds <= 60; seconds += 10) expect(await tick(plus(now, seconds))).toBe(false);
    expect(await countRings(sql)).toBe(0);
  });

  test('a dispatcher that is at work leaves instead of asking again and again', async () => {
    const { sql } = db();
    const dispatcher = randomUUID();
    await write();
    await claim(sql, now, { dispatcher, limit: 0 });
    await sql`delete from net.http_request_queue`;
    await pause(sql, now, scope);
    await write();
    const [row] = await sql`select public.push_leave(${dispatcher}, false, ${plus(now, 1)}) as left`;
    expect(row?.left).toBe(true);
    expect(await countRings(sql)).toBe(0);
  });

  test('no second dispatcher is called for a backlog of it', async () => {
    const { sql } = db();
    await setSetting(sql, 'backlog_per_dispatcher', 1);
    for (let n = 0; n < 5; n++) await write();
    await pause(sql, now, scope);
    await forget();
    await claim(sql, plus(now, 1), { limit: 0 });
    await sql`select push.call_for_backlog(${plus(now, 1)})`;
    expect(await countRings(sql)).toBe(0);
    await setSetting(sql, 'backlog_per_dispatcher', 5000);
  });

  test('its end rings, once', async () => {
    await pause(db().sql, now, scope);
    await write();
    await forget();
    await resume(db().sql, plus(now, 1), scope);
    expect(await countRings(db().sql)).toBe(1);
    await tick(plus(now, 2));
    expect(await countRings(db().sql)).toBe(1);
  });
});

test.each(SCOPES.slice(1))('while %s is paused, what is not of it rings', async (_, scope) => {
  const { sql } = db();
  await subscribe(sql, userId, { endpoint: 'https://updates.push.services.mozilla.com/wpush/v2/x' });
  await pause(sql, now, scope);
  await forget();
  await notify(sql, userId, { category: 'feed' });
  expect(await countRings(sql)).toBe(1);
});

describe.each(SCOPES.slice(0, 2))('while %s is paused', (_, scope) => {
  test('the members of a topic are not walked, and no bell rings for them; afterwards they are', async () => {
    const { sql } = db();
    const { topic } = await createTopic(sql, 3);
    await pause(sql, now, scope);
    await forget();
    const [row] = await sql<{ id: string }[]>`
      select push.notify_topic(${topic}, 'Hello', p_category => 'alerts') as id`;
    const id = (row as { id: string }).id;
    for (let seconds = 10; seconds <= 60; seconds += 10) expect(await tick(plus(now, seconds))).toBe(false);
    expect((await sql`select public.push_fan_out(null, ${plus(now, 61)}) as more`)[0]?.more).toBe(false);
    expect(await readProgress(sql, id)).toMatchObject({ status: 'fanning_out', members: 0, total: 0 });
    expect(await countRings(sql)).toBe(0);
    await resume(sql, plus(now, 62), scope);
    expect(await countRings(sql)).toBe(1);
    await sql`select public.push_fan_out(null, ${plus(now, 63)})`;
    expect(await readProgress(sql, id)).toMatchObject({ status: 'queued', members: 3, queued: 3 });
  });

  test('one that was cancelled is taken back all the same', async () => {
    const { sql } = db();
    const { topic } = await createTopic(sql, 3);
    const [row] = await sql<{ id: string }[]>`
      select push.notify_topic(${topic}, 'Wrong', p_category => 'alerts') as id`;
    const id = (row as { id: string }).id;
    await sql`select push.fan_out(2, ${now})`;
    await pause(sql, now, scope);
    await sql`select push.cancel(${id})`;
    await sql`select push.fan_out(null, ${plus(now, 1)})`;
    expect(await readProgress(sql, id)).toMatchObject({ status: 'cancelled', total: 2, cancelled: 2 });
  });
});

test('a topic message of another category is fanned out', async () => {
  const { sql } = db();
  const { topic } = await createTopic(sql, 2);
  await pause(sql, now, { category: 'alerts' });
  const id = await notifyTopic(sql, topic);
  await sql`select public.push_fan_out(null, ${plus(now, 1)})`;
  expect(await readProgress(sql, id)).toMatchObject({ status: 'queued', members: 2 });
});

import { beforeEach, expect, test } from 'vitest';
import { connectBell, countRings, openAlarms } from '../../support/bell.ts';
import { pause, resume } from '../../support/pauses.ts';
import { clearQueue, plus, setSetting } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { saveTemplates } from '../../support/templates.ts';
import { createTopic, fanOut, fanOutAll } from '../../support/topics.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let userIds: string[];
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await connectBell(sql);
  await setSetting(sql, 'notify_at_once', 5);
  await sql`delete from push.fan_outs`;
  await sql`delete from push.fan_out_recipients`;
  // Users with a device each; that they are in a topic plays no part.
  ({ userIds } = await createTopic(sql, 7));
});

async function notifyMany(values: { title?: string; template?: string; key?: string; url?: string } = {}) {
  const [row] = await db().sql<{ n: string }[]>`
    select push.notify_many(${userIds}::uuid[], ${values.title ?? null}, p_template => ${values.template ?? null},
      p_idempotency_key => ${values.key ?? null}, p_url => ${values.url ?? null}, p_params => '{"id": 1161380288898609914}',
      p_category => 'news') as n`;
  return Number(row?.n);
}

const notified = () => db().sql<{ user_id: string; title: string; status: string }[]>`
  select user_id, title, status from public.push_notifications where user_id = any (${userIds}::uuid[]) order by user_id`;

test('the caller writes the list and calls a dispatcher; the notifications follow in chunks, one for each user', async () => {
  const { sql } = db();
  expect(await notifyMany({ title: 'Hello' })).toBe(7);
  expect(await notified()).toHaveLength(0);
  expect(await countRings(sql)).toBe(1);
  expect((await sql`select push.has_work() as work`)[0]?.work).toBe(true);

  expect(await fanOut(sql, 3)).toBe(true);
  expect((await notified()).map(({ user_id }) => user_id)).toEqual(userIds.slice(0, 3));
  const [open] = await sql`select members, deliveries, finished_at from push.fan_outs`;
  expect(open).toMatchObject({ members: '3', deliveries: '3', finished_at: null });
  expect(await fanOutAll(sql, 3)).toBe(2);
  expect(await notified()).toEqual(userIds.map((user_id) => ({ user_id, title: 'Hello', status: 'queued' })));
  const [made] = await sql`
    select count(*)::int as n, count(distinct d.subscription_id)::int as devices, max(n.params::text) as params
    from push.deliveries d join public.push_notifications n on n.id = d.notification_id where d.state = 'queued'`;
  expect(made).toEqual({ n: 7, devices: 7, params: '{"id": "1161380288898609914"}' });
  const [done] =
    await sql`select members, deliveries, failed, stopped from push.fan_outs where finished_at is not null`;
  expect(done).toEqual({ members: '7', deliveries: '7', failed: '0', stopped: null });
  expect(await sql`select from push.fan_out_recipients`).toHaveLength(0);
});

test('as many as are notified at once are, in the transaction of the caller', async () => {
  userIds = userIds.slice(0, 5);
  expect(await notifyMany({ title: 'Hello' })).toBe(5);
  expect(await notified()).toHaveLength(5);
});

test('notifications are written in the order of user ids, so that two calls at once wait for each other in no circle', async () => {
  const { sql } = db();
  // As a table has them in which users come and go.
  const ids = userIds.slice(0, 5);
  await sql`delete from auth.users where id = any (${ids}::uuid[])`;
  for (const id of ids.toReversed()) await sql`insert into auth.users (id) values (${id})`;
  await sql`select push.notify_many(${ids}::uuid[], 'Hello')`;
  const written = await sql`select user_id from public.push_notifications order by ctid`;
  expect(written.map(({ user_id }) => user_id)).toEqual(ids);
});

test('a chunk that is rolled back is made again, and none twice', async () => {
  const { sql } = db();
  await notifyMany({ title: 'Hello' });
  await fanOut(sql, 3);
  const crash = sql.begin(async (t) => {
    await fanOut(t, 3);
    throw new Error('crash');
  });
  await expect(crash).rejects.toThrow('crash');
  await fanOutAll(sql, 3);
  expect((await notified()).map(({ user_id }) => user_id)).toEqual(userIds);
});

test('ids of no user are skipped, also of a user who is deleted meanwhile', async () => {
  const { sql } = db();
  const all = userIds;
  userIds = [...all, 'eeeeeeee-0000-4000-8000-000000000000'];
  expect(await notifyMany({ title: 'Hello' })).toBe(7);
  await sql`delete from auth.users where id = ${all[6] as string}`;
  await fanOutAll(sql, 10);
  expect((await notified()).map(({ user_id }) => user_id)).toEqual(all.slice(0, 6));
});

test('a repeated idempotency key notifies no user again', async () => {
  const { sql } = db();
  for (let call = 0; call < 2; call += 1) {
    await notifyMany({ title: 'Hello', key: 'once' });
    await fanOutAll(sql, 4);
  }
  expect(await notified()).toHaveLength(7);
});

test('what no device could be sent is refused when it is called', async () => {
  expect(await refusalOf(notifyMany({ title: 'Hello', url: 'javascript:alert(1)' }))).toMatchObject({
    code: 'url_malformed',
  });
  expect(await refusalOf(notifyMany({ title: ' ' }))).toMatchObject({ code: 'title_missing' });
  expect(await refusalOf(notifyMany({ template: 'deal_lost' }))).toMatchObject({ code: 'template_unknown' });
  expect(await db().sql`select from push.fan_outs`).toHaveLength(0);
});

test('what would fail only in a chunk is refused when it is called', async () => {
  const { sql } = db();
  const call = (values: { params?: string; expires?: Date; template?: string }) =>
    refusalOf(sql`
      select push.notify_many(${userIds}::uuid[], ${values.template ? null : 'Hello'}, p_template => ${values.template ?? null},
        p_params => ${values.params ?? '{}'}::text::jsonb, p_expires_at => ${values.expires ?? null})`);
  // It has expired by the clock of the call, which is when it is sent.
  expect(await call({ expires: plus(new Date(), -60) })).toMatchObject({ code: 'expires_before_sent' });
  // Numbers become strings, each two bytes longer.
  const ids = Array.from({ length: 170 }, () => '1161380288898609914').join(', ');
  expect(await call({ params: `{"ids": [${ids}]}` })).toMatchObject({ code: 'notification_too_large' });
  await saveTemplates(
    sql,
    { key: 'deal', title: 'A deal', url: '/deals', sample: { path: '/de' } },
    { key: 'deal', locale: 'de', title: 'Ein Geschäft', url: '/de/{{path}}' },
  );
  expect(await call({ template: 'deal' })).toMatchObject({ code: 'template_params_missing' });
  expect(await sql`select from push.fan_outs`).toHaveLength(0);
});

test.each([
  ['null', null, 'go out without params'],
  ['JSON null', 'null', 'are refused'],
])('params that are %s %s in short lists as in long ones', async (_, params, outcome) => {
  const { sql } = db();
  for (const ids of [userIds.slice(0, 5), userIds]) {
    const call = sql`select push.notify_many(${ids}::uuid[], 'Hello', p_params => ${params}::text::jsonb)`;
    if (outcome === 'are refused') expect(await refusalOf(call)).toMatchObject({ code: 'params_malformed' });
    else await call;
  }
  await fanOutAll(sql, 10);
  expect(await sql`select from public.push_notifications where params = '{}'`).toHaveLength(
    params === null ? 12 : 0,
  );
});

test('each user reads the language of their own', async () => {
  const { sql } = db();
  await saveTemplates(sql, { title: 'Won' }, { locale: 'de', title: 'Gewonnen' });
  await sql`insert into public.push_preferences (user_id, locale) values (${userIds[1] as string}, 'de-AT')`;
  await notifyMany({ template: 'deal_won' });
  await fanOutAll(sql, 2);
  const titles = (await notified()).map(({ title }) => title);
  expect(titles).toEqual(userIds.map((_id, place) => (place === 1 ? 'Gewonnen' : 'Won')));
});

test('while its category is paused it waits, and what is discarded then reaches inboxes alone', async () => {
  const { sql } = db();
  const now = new Date();
  await sql`insert into public.push_categories (key, title) values ('news', 'News')`;
  await notifyMany({ title: 'Hello' });
  await pause(sql, plus(now, 1), { category: 'news' });
  expect(await fanOut(sql, 3, plus(now, 2))).toBe(false);
  await resume(sql, plus(now, 600), { category: 'news', discardOlderThan: '1 second' });
  await fanOutAll(sql, 3, plus(now, 601));
  expect(await notified()).toHaveLength(7);
  await sql`select push.expire_deliveries(100, ${plus(now, 602)})`;
  const rows = await sql`select distinct state from push.deliveries`;
  expect([...rows]).toEqual([{ state: 'expired' }]);
});

test('one that cannot be fanned out raises an alarm and holds up no other', async () => {
  const { sql } = db();
  await notifyMany({ title: 'Hello' });
  await sql`update push.fan_outs set message = message || '{"urgency": "huge"}'`;
  await sql`select push.notify_many(${userIds}::uuid[], 'Another')`;
  for (let chunk = 0; chunk < 4; chunk += 1) await fanOut(sql, 10);
  expect((await notified()).map(({ title }) => title)).toEqual(Array(7).fill('Another'));
  expect(await openAlarms(sql)).toEqual(['fan_out_failed']);
});

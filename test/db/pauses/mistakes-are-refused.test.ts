import { beforeEach, expect, test } from 'vitest';
import { pause, resume, type Scope } from '../../support/pauses.ts';
import { asAnon, asService, asUser, createUser } from '../../support/postgres.ts';
import { clearQueue, notify, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { FCM, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let now: Date;
beforeEach(async () => {
  await clearQueue(db().sql);
  await db().sql`delete from public.push_categories`;
  await db().sql`insert into public.push_categories (key, title) values ('alerts:DAX', 'DAX')`;
  now = startOfClock();
});

test.each<[string, Scope, string, number, string]>([
  ['without a reason', {}, '', 400, 'reason_missing'],
  ['with nothing but space for a reason', {}, ' \n', 400, 'reason_missing'],
  ['with a reason that is too long', {}, 'x'.repeat(501), 400, 'reason_missing'],
  ['of a category and a push service', { category: 'alerts', host: FCM }, 'why', 400, 'scope_ambiguous'],
  ['of a push service that is not listed', { host: 'https://push.example.com' }, 'why', 404, 'host_unknown'],
  ['of a push service by its name alone', { host: 'fcm.googleapis.com' }, 'why', 404, 'host_unknown'],
  ['of a category that nothing is of', { category: 'alers' }, 'why', 404, 'category_unknown'],
])('a pause %s is refused', async (_, scope, reason, status, code) => {
  const refusal = await refusalOf(pause(db().sql, now, scope, reason));
  expect(refusal).toMatchObject({ sqlstate: `PT${status}`, code, hint: expect.stringMatching(/\S/) });
  expect(await db().sql`select from push.pauses`).toHaveLength(0);
});

test('an unknown push service is told which there are', async () => {
  expect((await refusalOf(pause(db().sql, now, { host: 'x' }))).hint).toContain(FCM);
});

test.each(['alerts', 'alerts:DAX', 'alerts:DAX:open'])(
  'a category is known by its row, or that of one above or below it: %s',
  async (category) => {
    expect(await pause(db().sql, now, { category })).toMatchObject({ category });
  },
);

test('one without any is known by its messages', async () => {
  const { sql } = db();
  const { id } = await createUser(sql);
  await notify(sql, id, { category: 'orders:new' });
  expect(await pause(sql, now, { category: 'orders' })).toMatchObject({ category: 'orders' });
});

test.each<[string, Scope]>([
  ['the project', {}],
  ['a category', { category: 'alerts' }],
  ['a push service', { host: FCM }],
])('%s is paused once, until it is resumed', async (_, scope) => {
  const { sql } = db();
  await pause(sql, now, scope);
  expect(await refusalOf(pause(sql, now, scope))).toMatchObject({
    sqlstate: 'PT409',
    code: 'already_paused',
  });
  await resume(sql, now, scope);
  expect(await refusalOf(resume(sql, now, scope))).toMatchObject({ sqlstate: 'PT409', code: 'not_paused' });
  await pause(sql, now, scope);
});

test('resuming something else is refused with what is paused', async () => {
  const { sql } = db();
  expect((await refusalOf(resume(sql, now))).hint).toBe('Nothing is paused.');
  await pause(sql, now, { category: 'alerts' });
  await pause(sql, now, { host: FCM });
  const { code, hint } = await refusalOf(resume(sql, now));
  expect([code, hint]).toEqual(['not_paused', `Currently paused: category alerts, ${FCM}`]);
});

test('to discard what is to come is refused', async () => {
  const { sql } = db();
  await pause(sql, now);
  expect(await refusalOf(resume(sql, now, { discardOlderThan: '-1 minute' }))).toMatchObject({
    sqlstate: 'PT400',
    code: 'interval_negative',
  });
});

test('of two pauses at the same time one is made, and the other is refused', async () => {
  const { sql } = db();
  const answers = await Promise.allSettled(Array.from({ length: 4 }, () => pause(sql, now)));
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await sql`select from push.pauses`).toHaveLength(1);
});

test('the service pauses and resumes by RPC; no other role may', async () => {
  const { sql } = db();
  const { id } = await createUser(sql);
  await subscribe(sql, id);
  const stop = (as: typeof asAnon) =>
    as(sql, (t) => t`select public.push_pause('wrong prices', p_category => 'alerts:DAX') as pause`);
  for (const as of [asAnon, ((client, work) => asUser(client, id, work)) as typeof asAnon])
    expect((await refusalOf(stop(as))).sqlstate).toBe('42501');
  expect((await stop(asService))[0]?.pause).toMatchObject({ category: 'alerts:DAX', reason: 'wrong prices' });
  const [row] = await asService(
    sql,
    (t) => t`select public.push_resume('10 minutes', p_category => 'alerts:DAX') as pause`,
  );
  expect(row?.pause).toMatchObject({ resumed_at: expect.any(String) });
});

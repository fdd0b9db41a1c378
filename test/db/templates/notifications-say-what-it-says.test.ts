import type postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { claimOne, clearQueue, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { saveTemplates } from '../../support/templates.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  await sql`delete from public.push_templates`;
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
  await saveTemplates(sql, {
    title: '{{name}} is won',
    body: '{{#by}}By {{by}}{{/by}}',
    url: '/deals/{{id}}',
    presentation: { icon: '/deal.png', silent: true, actions: [{ action: 'open', title: 'Open {{name}}' }] },
    category: 'deals',
    urgency: 'high',
    ttl: 60,
    tag: 'deal:{{id}}',
    sample: { name: 'Acme', by: 'Anna', id: 7 },
  });
});

const PARAMS = { name: 'Beta', by: 'Ben', id: 8 };
const FILLED = {
  title: 'Beta is won',
  body: 'By Ben',
  url: '/deals/8',
  category: 'deals',
  urgency: 'high',
  ttl: 60,
  tag: 'deal:8',
  presentation: { icon: '/deal.png', silent: true, actions: [{ action: 'open', title: 'Open Beta' }] },
};

interface Call {
  p_template?: string | null;
  p_params?: Record<string, unknown>;
  p_title?: string;
  p_body?: string;
  p_url?: string;
  p_category?: string;
  p_urgency?: string;
  p_ttl?: number;
  p_tag?: string;
  p_presentation?: Record<string, unknown>;
  p_idempotency_key?: string;
}

function notify(sql: postgres.Sql | postgres.TransactionSql, values: Call = {}) {
  const message = Object.entries({ p_template: 'deal_won', p_params: PARAMS, ...values });
  const named = Object.fromEntries(message.map(([name, value]) => [name.replace(/^p_/, ''), value]));
  return sql<{ id: string }[]>`select public.push_notify(${user}, ${sql.json(named as never)}) as id`;
}

const stored = async () =>
  (await db().sql`select * from public.push_notifications order by created_at desc limit 1`)[0];

test('push_notify with a key and params is all it takes', async () => {
  const { sql } = db();
  await asService(sql, (t) => notify(t));
  expect(await stored()).toMatchObject({ ...FILLED, params: PARAMS, template: 'deal_won', locale: '' });
  expect(await claimOne(sql, startOfClock())).toMatchObject({
    ...FILLED,
    params: PARAMS,
    ttl: expect.any(Number),
  });
});

test('so does a plain insert by the service', async () => {
  const { sql } = db();
  await asService(
    sql,
    (t) =>
      t`insert into public.push_notifications (user_id, template, params) values (${user}, 'deal_won', ${t.json(PARAMS)})`,
  );
  expect(await stored()).toMatchObject(FILLED);
});

test('and push.notify_many()', async () => {
  const { sql } = db();
  await sql`select push.notify_many(array[${user}]::uuid[], p_template => 'deal_won', p_params => ${sql.json(PARAMS)})`;
  expect(await stored()).toMatchObject(FILLED);
});

test('without a template, a message is as it was', async () => {
  const { sql } = db();
  await sql`select push.notify(${user}, 'Hello')`;
  expect(await stored()).toMatchObject({
    title: 'Hello',
    urgency: 'normal',
    template: null,
    locale: null,
    presentation: null,
  });
});

test.each<[string, Call, Record<string, unknown>]>([
  ['title', { p_title: 'Own' }, { title: 'Own' }],
  ['body', { p_body: '' }, { body: '' }],
  ['url', { p_url: '/own' }, { url: '/own' }],
  ['category', { p_category: 'own' }, { category: 'own' }],
  ['urgency', { p_urgency: 'normal' }, { urgency: 'normal' }],
  ['ttl', { p_ttl: 0 }, { ttl: 0 }],
  ['tag', { p_tag: 'own' }, { tag: 'own' }],
  [
    'presentation',
    { p_presentation: { silent: false, renotify: true } },
    { presentation: { ...FILLED.presentation, silent: false, renotify: true } },
  ],
])('%s that the caller gives comes first, for one and for many', async (_what, given, expected) => {
  const { sql } = db();
  await notify(sql, given);
  expect(await stored()).toMatchObject({ ...FILLED, ...expected });
  const [[name, value] = []] = Object.entries(given);
  await sql.unsafe(
    `select push.notify_many(array[$1::uuid], p_template => 'deal_won', p_params => $2, ${name} => $3)`,
    [user, PARAMS, value] as never[],
  );
  expect(await stored()).toMatchObject({ ...FILLED, ...expected });
});

test('what stands in a section may be left out, or null', async () => {
  const { sql } = db();
  for (const more of [{}, { by: null }]) {
    await notify(sql, { p_params: { name: 'Beta', id: 8, ...more } });
    expect(await stored()).toMatchObject({ title: 'Beta is won', body: null });
  }
});

test.each<[string, Record<string, unknown>, string[]]>([
  ['nothing', {}, ['id', 'name']],
  ['one of two', { name: 'x' }, ['id']],
  ['a list for a text', { name: [], id: 7 }, ['name as text, not as array']],
])('params with %s are refused at the door, which names what is missing', async (_what, params, named) => {
  const { sql } = db();
  const many = sql`select push.notify_many(array[${user}]::uuid[], p_template => 'deal_won', p_params => ${sql.json(params as never)})`;
  for (const call of [asService(sql, (t) => notify(t, { p_params: params })), many]) {
    const refusal = await refusalOf(call);
    expect(refusal).toMatchObject({
      sqlstate: 'PT400',
      code: 'template_params_missing',
      hint: expect.stringMatching(/null/),
    });
    expect(refusal.message).toBe(`Template deal_won needs ${named.join(', ')}.`);
  }
  expect(await sql`select from public.push_notifications`).toHaveLength(0);
});

test.each<[string, Call, string]>([
  ['a template that is not there', { p_template: 'deal_lost' }, 'template_unknown'],
  [
    'a value that makes the title too long',
    { p_params: { ...PARAMS, name: 'x'.repeat(1000) } },
    'text_too_large',
  ],
  ['a value that makes the tag too long', { p_params: { ...PARAMS, id: 'x'.repeat(100) } }, 'tag_malformed'],
  [
    'values that make the message too large',
    { p_params: { ...PARAMS, more: 'x'.repeat(4000) } },
    'notification_too_large',
  ],
  [
    'a value that makes an action too long',
    { p_params: { ...PARAMS, name: 'x'.repeat(201) } },
    'presentation_malformed',
  ],
  ['a presentation that no device can show', { p_presentation: { vibrate: [1] } }, 'presentation_malformed'],
])('%s is refused', async (_what, values, code) => {
  const { sql } = db();
  expect(await refusalOf(notify(sql, values))).toMatchObject({
    sqlstate: expect.stringMatching(/^PT4/),
    code,
  });
  expect(await sql`select from public.push_notifications`).toHaveLength(0);
});

test('a repeated key means the same message, even when the template has changed since', async () => {
  const { sql } = db();
  const again = { p_idempotency_key: 'won-8' };
  const [first] = await notify(sql, again);
  await sql`update public.push_templates set title = 'Other {{name}}'`;
  expect(await notify(sql, again)).toEqual([first]);
  expect(await notify(sql, { ...again, p_url: '/deals/8', p_presentation: { silent: true } })).toEqual([
    first,
  ]);
  expect((await stored())?.title).toBe('Beta is won');
});

test.each<[string, Call]>([
  ['params', { p_params: { ...PARAMS, id: 9 } }],
  ['template', { p_template: 'deal_lost' }],
  ['no template', { p_template: null, p_title: 'Beta is won' }],
  ['title', { p_title: 'Own' }],
  ['body', { p_body: 'Own' }],
  ['url', { p_url: '/own' }],
  ['category', { p_category: 'own' }],
  ['urgency', { p_urgency: 'low' }],
  ['ttl', { p_ttl: 61 }],
  ['tag', { p_tag: 'own' }],
  ['presentation', { p_presentation: { silent: false } }],
])('another message under the same key is refused: %s', async (_what, change) => {
  const { sql } = db();
  await saveTemplates(sql, { key: 'deal_lost' });
  await notify(sql, { p_idempotency_key: 'won-8' });
  expect(await refusalOf(notify(sql, { p_idempotency_key: 'won-8', ...change }))).toMatchObject({
    sqlstate: 'PT409',
    code: 'idempotency_conflict',
  });
});

test('a message keeps its text when the template is deleted', async () => {
  const { sql } = db();
  await notify(sql);
  await sql`delete from public.push_templates`;
  expect(await claimOne(sql, startOfClock())).toMatchObject({ ...FILLED, ttl: expect.any(Number) });
});

test('the preview shows what would be sent, and how large it is, to servers alone', async () => {
  const { sql } = db();
  const [shown] = await asService(
    sql,
    (t) => t`select * from public.push_preview_template('deal_won', p_params => ${t.json(PARAMS)})`,
  );
  expect(shown).toMatchObject({ ...FILLED, locale: '', bytes: expect.any(Number) });
  const [sampled] = await asService(
    sql,
    (t) => t`select title from public.push_preview_template('deal_won')`,
  );
  expect(sampled).toEqual({ title: 'Acme is won' });
  expect(
    await refusalOf(sql`select push.preview_template('deal_won', p_params => '{"id": 1}')`),
  ).toMatchObject({
    code: 'template_params_missing',
  });
});

import { beforeEach, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { preview, saveTemplates } from '../../support/templates.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await db().sql`delete from public.push_templates`;
});

const VALUES = [
  '{{secret}}',
  '{{#secret}}x{{/secret}}',
  '{{{secret}}}',
  '{{>x}}',
  '{{=<% %>=}}',
  '}}',
  '"},"navigate":"https://evil.example"',
  '<script>alert(1)</script>',
  '\\1 $& %s',
];

test.each(VALUES)('%s in a value is text, in the title, the body and an action', async (value) => {
  const { sql } = db();
  await saveTemplates(sql, {
    title: '{{a}}!',
    body: '{{#list}}{{.}};{{/list}}{{{a}}}',
    presentation: { actions: [{ action: 'go', title: '{{&a}}' }] },
    sample: { a: 'x', list: ['x'], secret: 'leaked' },
  });
  const params = { a: value, list: [value, value], secret: 'leaked' };
  expect(await preview(sql, 'deal_won', { params })).toMatchObject({
    title: `${value}!`,
    body: `${value};${value};${value}`,
    presentation: { actions: [{ action: 'go', title: value }] },
  });
});

test.each([
  ...VALUES,
  '../../admin',
  '//evil.example',
  '?a=b#c',
  'a b\n\t',
  'ünïcödé 😀',
  "-_.!~*'()",
  '%2f',
  '@evil.example:8080\\',
  'a..b',
  '...',
])('%j in a url is what encodeURIComponent makes of it', async (value) => {
  const { sql } = db();
  await saveTemplates(sql, {
    url: 'https://app.example/deals/{{a}}/edit?from={{{a}}}#{{&a}}',
    presentation: {
      image: '/images/{{a}}.png',
      actions: [{ action: 'go', title: 'Go', url: '/{{a}}', icon: '/{{a}}.png' }],
    },
    sample: { a: 'x' },
  });
  const encoded = encodeURIComponent(value);
  expect(await preview(sql, 'deal_won', { params: { a: value } })).toMatchObject({
    url: `https://app.example/deals/${encoded}/edit?from=${encoded}#${encoded}`,
    presentation: {
      image: `/images/${encoded}.png`,
      actions: [{ action: 'go', title: 'Go', url: `/${encoded}`, icon: `/${encoded}.png` }],
    },
  });
});

test.each([
  ['/deals/{{a}}/edit', { a: '..', b: '' }],
  ['/deals/{{a}}', { a: '.', b: '' }],
  ['/deals/{{a}}{{b}}/edit', { a: '.', b: '.' }],
  ['/deals/{{a}}?b={{b}}', { a: '..', b: 'x' }],
  ['/deals/%2E{{a}}/edit', { a: '.', b: '' }],
  // An empty value would make the next segment a host.
  ['/{{a}}/evil.example', { a: '', b: '' }],
])('%s does not lead elsewhere with %j', async (url, params) => {
  const { sql } = db();
  await saveTemplates(sql, { url, body: '{{b}}', sample: { a: 'x', b: 'y' } });
  expect(await refusalOf(preview(sql, 'deal_won', { params }))).toMatchObject({
    sqlstate: 'PT400',
    code: 'url_malformed',
    hint: expect.stringMatching(/\S/),
  });
  const image = { presentation: { image: url }, body: '{{b}}', sample: { a: 'x', b: 'y' } };
  await saveTemplates(sql, { ...image, key: 'image' });
  expect(await refusalOf(preview(sql, 'image', { params }))).toMatchObject({ sqlstate: 'PT400' });
});

test('dots are harmless behind the path', async () => {
  const { sql } = db();
  await saveTemplates(sql, { url: '/search?q={{a}}/..#/{{a}}', sample: { a: 'x' } });
  expect((await preview(sql, 'deal_won', { params: { a: '..' } })).url).toBe('/search?q=../..#/..');
});

test('params that cannot be sent anyway are refused before they are rendered', async () => {
  const { sql } = db();
  await saveTemplates(sql, { body: '{{#list}}{{.}}{{/list}}', sample: { list: [1] } });
  const user = await createUser(sql);
  const insert = sql`
    insert into public.push_notifications (user_id, template, params)
    values (${user.id}, 'deal_won', jsonb_build_object('list', (select jsonb_agg(n) from generate_series(1, 3000) as n)))`;
  // Once rendered, it would be the body of which too much is said.
  expect(await refusalOf(insert)).toMatchObject({ sqlstate: 'PT413', code: 'notification_too_large' });
});

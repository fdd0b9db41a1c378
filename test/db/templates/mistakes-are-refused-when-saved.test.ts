import { beforeEach, expect, test } from 'vitest';
import { asService } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { preview, saveTemplates, type TemplateValues } from '../../support/templates.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(async () => {
  await db().sql`delete from public.push_templates`;
});

const LONG = 'x'.repeat(20_000);

test.each<[string, TemplateValues, string, string]>([
  ['a key with a space', { key: 'a b' }, 'template_key_malformed', 'key'],
  ['an empty title', { title: ' ' }, 'title_missing', 'deal_won'],
  [
    'a tag that never ends',
    { title: 'Hi {{name' },
    'template_syntax',
    'The title of template deal_won, character 4',
  ],
  ['a partial', { body: '{{>x}}' }, 'template_unsupported', 'The body of template deal_won, character 1'],
  [
    'a variable that the sample has not',
    { title: '{{name}}' },
    'template_variable_unknown',
    'name is not in it',
  ],
  [
    'one within a section that the sample leaves out',
    { title: 'x{{^a}}{{b}}{{/a}}', sample: { a: 1 } },
    'template_variable_unknown',
    'b is not in it',
  ],
  [
    'a section that the sample has not',
    { title: 'x{{#a}}b{{/a}}' },
    'template_variable_unknown',
    'a is not in it',
  ],
  [
    'a section over a list without an example',
    { title: 'x{{#a}}{{b}}{{/a}}', sample: { a: [] } },
    'template_variable_unknown',
    'a is a list without an example',
  ],
  ['a list as text', { title: '{{a}}', sample: { a: [1] } }, 'template_variable_unknown', 'a has no text'],
  [
    'an object as text',
    { title: 'x', tag: '{{a}}', sample: { a: {} } },
    'template_variable_unknown',
    'a has no text',
  ],
  ['a sample that is no object', { sample: [1] }, 'template_sample_malformed', 'sample'],
  ['an unknown urgency', { urgency: 'urgent' }, 'urgency_unknown', 'urgency'],
  ['a ttl of more than 28 days', { ttl: 2_419_201 }, 'ttl_out_of_range', '2419200'],
  [
    'a title that is too long with the sample',
    { title: '{{a}}', sample: { a: 'x'.repeat(1001) } },
    'text_too_large',
    'deal_won with its sample',
  ],
  [
    'a title that is empty with the sample',
    { title: '{{a}}', sample: { a: '' } },
    'title_missing',
    'deal_won with its sample',
  ],
  [
    'a message that is too large with the sample',
    { sample: { a: 'x'.repeat(4000) } },
    'notification_too_large',
    '3993',
  ],
  [
    'a tag that is too long with the sample',
    { tag: '{{a}}', sample: { a: 'x'.repeat(101) } },
    'tag_malformed',
    'tag',
  ],
  ['a body of 20 kB', { body: LONG }, 'template_too_large', 'deal_won'],
  [
    'a url that leads to a value',
    { url: '{{a}}', sample: { a: '/x' } },
    'template_url_malformed',
    'The url of template deal_won',
  ],
  [
    'a url whose host is a value',
    { url: 'https://{{a}}/', sample: { a: 'x' } },
    'template_url_malformed',
    'url',
  ],
  [
    'a url whose host ends in a value',
    { url: 'https://x{{a}}/', sample: { a: 'x' } },
    'template_url_malformed',
    'url',
  ],
  ['a url of another kind', { url: 'javascript:alert(1)' }, 'template_url_malformed', 'url'],
  ['a url to another host', { url: '//evil.example' }, 'template_url_malformed', 'url'],
  [
    'an unknown member of the presentation',
    { presentation: { noise: 'x' } },
    'presentation_malformed',
    'noise',
  ],
  [
    'a link in the presentation that is a value',
    { presentation: { icon: '{{a}}' }, sample: { a: '/x' } },
    'template_url_malformed',
    'presentation of template deal_won, icon',
  ],
  [
    'a mistake in the title of an action',
    { presentation: { actions: [{ action: 'a', title: '{{' }] } },
    'template_syntax',
    'presentation of template deal_won, actions.0.title, character 1',
  ],
  ['a locale that is none', { locale: 'german' }, 'locale_malformed', 'german'],
  ['a translation without a default', { locale: 'de' }, 'template_default_missing', 'deal_won'],
  ['a translation with a sample', { locale: 'de', sample: {} }, 'template_translation_malformed', 'default'],
])('%s', async (_what, values, code, said) => {
  const refusal = await refusalOf(asService(db().sql, (t) => saveTemplates(t, values)));
  expect(refusal).toMatchObject({
    sqlstate: expect.stringMatching(/^PT4\d\d$/),
    code,
    message: expect.stringContaining(said),
    hint: expect.stringMatching(/\S/),
  });
  expect(await db().sql`select from public.push_templates`).toHaveLength(0);
});

test('a translation that needs what the sample of the default has not is refused, and named', async () => {
  const { sql } = db();
  const good = { title: '{{name}}', sample: { name: 'Acme' } };
  const refusal = await refusalOf(saveTemplates(sql, good, { locale: 'de', title: '{{nahme}}' }));
  expect(refusal).toMatchObject({ code: 'template_variable_unknown' });
  expect(refusal.message).toContain('deal_won (de)');
  expect(refusal.message).toContain('nahme');
});

test('a translation without a body is refused where the default has one, unless it says that it is empty', async () => {
  const { sql } = db();
  const refusal = await refusalOf(saveTemplates(sql, { body: 'Well done' }, { locale: 'de' }));
  expect(refusal).toMatchObject({ sqlstate: 'PT400', code: 'template_body_missing' });
  await saveTemplates(sql, { body: 'Well done' }, { locale: 'de', title: 'Gewonnen', body: '' });
  expect(await preview(sql, 'deal_won', { locale: 'de' })).toMatchObject({ title: 'Gewonnen', body: null });
});

test('a change that leaves a translation without its variables is refused', async () => {
  const { sql } = db();
  await saveTemplates(
    sql,
    { title: '{{name}}', sample: { name: 'Acme' } },
    { locale: 'de', title: '{{name}}!' },
  );
  const change = asService(
    sql,
    (t) => t`update public.push_templates set title = 'Won', sample = '{}' where locale = ''`,
  );
  expect(await refusalOf(change)).toMatchObject({ code: 'template_variable_unknown' });
  expect((await preview(sql, 'deal_won')).title).toBe('Acme');
});

test('a default is deleted or renamed with its translations, not without them', async () => {
  const { sql } = db();
  const missing = { sqlstate: 'PT409', code: 'template_default_missing' };
  await saveTemplates(sql, { locale: 'de', title: 'Gewonnen' }, { locale: '', title: 'Won' });
  for (const change of [
    `delete from public.push_templates where locale = ''`,
    `update public.push_templates set key = 'other' where locale = ''`,
  ])
    expect(await refusalOf(asService(sql, (t) => t.unsafe(change)))).toMatchObject(missing);
  await asService(sql, (t) => t`update public.push_templates set key = 'other'`);
  expect((await preview(sql, 'other', { locale: 'de' })).title).toBe('Gewonnen');
  await asService(sql, (t) => t`delete from public.push_templates where key = 'other'`);
  expect(await refusalOf(preview(sql, 'other'))).toMatchObject({
    sqlstate: 'PT404',
    code: 'template_unknown',
  });
});

test('what was read of a template cannot be written, only its texts', async () => {
  const { sql } = db();
  await saveTemplates(sql, {});
  const forged = asService(
    sql,
    (t) => t`update public.push_templates set compiled = '{"title": ["Forged"]}'`,
  );
  expect((await refusalOf(forged)).sqlstate).toBe('42501');
  await sql`update public.push_templates set compiled = '{"title": ["Forged"]}'`;
  expect((await preview(sql, 'deal_won')).title).toBe('Won');
});

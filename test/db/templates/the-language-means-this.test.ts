import type postgres from 'postgres';
import { describe, expect, test } from 'vitest';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

async function render(template: string, params: unknown): Promise<string | null> {
  const { sql } = db();
  const [row] = await sql<{ text: string | null }[]>`
    select push.render_mustache(
      push.compile_mustache(${template}, 'The body'), array[${sql.json(params as postgres.JSONValue)}::jsonb], false
    ) as text`;
  return (row as { text: string | null }).text;
}

// The rules of the Mustache specification, as far as they are about plain text.
test.each<[string, string, unknown, string]>([
  ['text without tags', 'Hello { you }', {}, 'Hello { you }'],
  ['no text', '', {}, ''],
  ['variables', '{{a}}-{{ b }}-{{{c}}}-{{& d }}', { a: 1, b: 'x', c: '<', d: '&' }, '1-x-<-&'],
  ['nothing of HTML', '{{a}}', { a: `<b>&"'` }, `<b>&"'`],
  ['numbers as they are written', '{{a}} {{b}}', { a: 1.21, b: -85 }, '1.21 -85'],
  ['null as nothing', '[{{a}}]', { a: null }, '[]'],
  ['false as a word', '[{{a}}]', { a: false }, '[false]'],
  ['names with dots', '{{a.b.c}}', { a: { b: { c: 'deep' } } }, 'deep'],
  ['a section for what holds', '{{#a}}yes{{/a}}', { a: true }, 'yes'],
  ['no section for what is not there', '[{{#a}}yes{{/a}}]', {}, '[]'],
  [
    'no section for null, false, 0 and the empty text',
    '[{{#a}}1{{/a}}{{#b}}2{{/b}}{{#c}}3{{/c}}{{#d}}4{{/d}}]',
    { a: null, b: false, c: 0, d: '' },
    '[]',
  ],
  [
    'a section within an object',
    '{{#a}}{{b}} {{c}}{{/a}}',
    { a: { b: 'in' }, b: 'out', c: 'above' },
    'in above',
  ],
  ['a section for each item', '{{#a}}<{{.}}>{{/a}}', { a: ['x', 2, true] }, '<x><2><true>'],
  ['a section for each object', '{{#a}}{{n}};{{/a}}', { a: [{ n: 1 }, { n: 2 }] }, '1;2;'],
  ['lists within lists', '{{#a}}({{#.}}{{.}}{{/.}}){{/a}}', { a: [[1, 2], [3]] }, '(12)(3)'],
  ['a section of a text has that text', '{{#a}}by {{.}}{{/a}}', { a: 'Anna' }, 'by Anna'],
  ['inverted sections', '{{^a}}none{{/a}}{{^b}}never{{/b}}', { a: [], b: 'x' }, 'none'],
  ['an inverted section for what is not there', '{{^a}}none{{/a}}', {}, 'none'],
  ['sections within sections', '{{#a}}{{#b}}{{#c}}x{{/c}}{{/b}}{{/a}}', { a: true, b: 1, c: {} }, 'x'],
  ['comments', 'a{{! not\nseen }}b', {}, 'ab'],
  ['lines of tags alone leave no line', '1\n{{#a}}\n2\n  {{/a}}\n3', { a: true }, '1\n2\n3'],
  ['lines of comments alone neither', '1\n  {{! c }}\n2', {}, '1\n2'],
  ['Windows line ends', '1\r\n{{#a}}\r\n2\r\n{{/a}}\r\n3', { a: true }, '1\r\n2\r\n3'],
  ['lines with text keep their spaces', ' | {{#a}}\t|\t{{/a}} | \n', { a: true }, ' | \t|\t | \n'],
  ['lines of variables stay', '{{a}}\n{{b}}\n', { a: '', b: 'x' }, '\nx\n'],
])('%s', async (_what, template, params, expected) => {
  expect(await render(template, params)).toBe(expected);
});

test.each<[string, string, unknown]>([
  ['a variable that is not there', 'a {{b}}', {}],
  ['one that is not in an item', '{{#a}}{{b}}{{/a}}', { a: [{ b: 1 }, {}] }],
  ['a name that leads nowhere', '{{a.b}}', { a: {} }],
  ['a name with a dot, which is never one name', '{{a.b}}', { 'a.b': 'x' }],
  ['a list', '{{a}}', { a: [1] }],
  ['an object', '{{a}}', { a: {} }],
])('there is no text with %s', async (_what, template, params) => {
  expect(await render(template, params)).toBeNull();
});

describe('is refused, and where', () => {
  test.each([
    ['a tag without an end', 'Hi {{name', 4, 'template_syntax'],
    ['three braces closed by two', 'Hi {{{name}}', 4, 'template_syntax'],
    ['a section without an end', '{{#a}}x', 1, 'template_syntax'],
    ['an end without a section', 'x{{/a}}', 2, 'template_syntax'],
    ['sections that cross', '{{#a}}{{#b}}{{/a}}{{/b}}', 13, 'template_syntax'],
    ['a tag without a name', 'ü {{ }}', 3, 'template_syntax'],
    ['a name with a space', '{{a b}}', 1, 'template_syntax'],
    ['a name with dots in a row', '{{a..b}}', 1, 'template_syntax'],
    ['a name that counts from behind', '{{a.-1}}', 1, 'template_syntax'],
    ['a partial', 'x {{> header }}', 3, 'template_unsupported'],
    ['other delimiters', '{{=<% %>=}}', 1, 'template_unsupported'],
    ['a parent', '{{<layout}}{{/layout}}', 1, 'template_unsupported'],
    ['a block', '{{$title}}{{/title}}', 1, 'template_unsupported'],
    ['sections six deep', '{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}', 31, 'template_too_deep'],
  ])('%s', async (_what, template, position, code) => {
    const refusal = await refusalOf(db().sql`select push.compile_mustache(${template}, 'The body')`);
    expect(refusal).toMatchObject({ sqlstate: 'PT400', code, hint: expect.stringMatching(/\S/) });
    expect(refusal.message).toMatch(new RegExp(`^The body, character ${position}: `));
  });
});

import { beforeAll, expect, test } from 'vitest';
import { createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeAll(async () => {
  user = (await createUser(db().sql)).id;
});

test.each([
  'javascript:alert(1)',
  'JavaScript:alert(1)',
  ' javascript:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'blob:https://app.example/x',
  'file:///etc/passwd',
  'about:blank',
  'mailto:a@example.com',
  'http://app.example/',
  'HTTP://app.example/',
  '//evil.tld',
  '//evil.tld/path',
  '///evil.tld',
  '/\\evil.tld',
  '\\\\evil.tld',
  '\\/evil.tld',
  '/\t/evil.tld',
  '/\n/evil.tld',
  '/\r/evil.tld',
  '/\r\n\t/evil.tld',
  '/\t\\evil.tld',
  '\t//evil.tld',
  '/path\nwith newline',
  '/path\u0000'.replace('\u0000', '\u0001'),
  '/path\u007f',
  'deals/7',
  './deals',
  '../deals',
  '?a=1',
  '#a',
  '',
  ' ',
  ' /deals',
  'https:',
  'https://',
  'https:///',
  'https:/evil.tld',
  'https://exa mple.com/',
  'https://example.com/\n',
  'https://example.com/\tx',
  `/${'x'.repeat(2048)}`,
  'https://a..b',
  'https://a..b/deals',
  'https://.example.com/',
  'https://example.com:65536/',
  'https://example.com:99999',
  'https://example.com:0/',
  'https://example.com:/x',
  'https://user@example.com/',
  'https://exa%20mple.com/',
])('%j is refused', async (url) => {
  expect(
    await refusalOf(db().sql`select push.notify(${user}::uuid, 'Hello', p_url => ${url})`),
  ).toMatchObject({
    sqlstate: 'PT400',
    code: 'url_malformed',
    message: expect.stringMatching(/https/),
    hint: expect.stringMatching(/\S/),
  });
});

test.each([
  '/',
  '/deals/7',
  '/deals?stage=won&a[]=1#top',
  '/Grüße/日本',
  '/a//b',
  '/@user',
  '/:id',
  '/.well-known/x',
  '/%2f%2fevil.tld',
  'https://app.example',
  'https://app.example/deals/7?x=1#y',
  'https://app.example:8443/',
  'https://app.example:65535?a=1:99999',
  'https://localhost:3000/x',
  'https://münchen.example/x@y..z',
  'https://app.example.',
  `/${'x'.repeat(2047)}`,
])('%j is accepted', async (url) => {
  const [row] = await db().sql`select push.notify(${user}::uuid, 'Hello', p_url => ${url}) as id`;
  expect(row?.id).toMatch(/-/);
});

test('of 3,000 random paths, none that is accepted leads to another origin', async () => {
  const { sql } = db();
  await sql.unsafe(
    `
    create function pg_temp.accepted(p_user uuid, p_urls text[]) returns boolean[] language plpgsql as $$
    declare v_url text; v_answers boolean[] := '{}';
    begin
      foreach v_url in array p_urls loop
        begin
          insert into public.push_notifications (user_id, title, url) values (p_user, 'Hello', v_url);
          v_answers := v_answers || true;
        exception when sqlstate 'PT400' then
          v_answers := v_answers || false;
        end;
      end loop;
      return v_answers;
    end $$`.replace('pg_temp', 'public'),
  );
  const pieces = [
    '/',
    '\\',
    '\t',
    '\n',
    '\r',
    ' ',
    '.',
    '@',
    ':',
    '?',
    '#',
    '%2f',
    '%5c',
    '\u00a0',
    '\u3000',
    '\u2028',
    '／',
    'evil.tld',
    'https:',
  ];
  let state = 7;
  const next = (limit: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % limit;
  };
  const urls = Array.from(
    { length: 3000 },
    () => `/${Array.from({ length: 1 + next(5) }, () => pieces[next(pieces.length)]).join('')}`,
  );
  const [row] = await sql<
    { answers: boolean[] }[]
  >`select public.accepted(${user}, ${urls}::text[]) as answers`;
  await sql`drop function public.accepted(uuid, text[])`;
  const accepted = urls.filter((_, index) => row?.answers[index]);
  expect(accepted.length).toBeGreaterThan(100);
  expect(
    accepted.filter((url) => new URL(url, 'https://app.example').origin !== 'https://app.example'),
  ).toEqual([]);
});

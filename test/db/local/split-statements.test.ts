import { expect, test } from 'vitest';
import { splitStatements } from '../../../tools/local/postgres/split-statements.ts';

const texts = (script: string): string[] => splitStatements(script).map(({ text }) => text);

test.each([
  ['strings', `select ';', 'it''s;'; select 2`, [`select ';', 'it''s;'`, 'select 2']],
  ['escape strings', `select E'\\';'; select 2`, [`select E'\\';'`, 'select 2']],
  ['a backslash at the end of an ordinary string', `select 'a\\'; select 2`, [`select 'a\\'`, 'select 2']],
  ['quoted names', `select 1 as "a;""b"; select 2`, [`select 1 as "a;""b"`, 'select 2']],
  [
    'dollar quotes',
    'do $$ begin; end $$; do $a$ $$; $a$; select 3',
    ['do $$ begin; end $$', 'do $a$ $$; $a$', 'select 3'],
  ],
  ['dollars within names', 'select a$b$c; select d$b$', ['select a$b$c', 'select d$b$']],
  ['parameters', 'select $1; select $2', ['select $1', 'select $2']],
  ['line comments', '-- one; two\nselect 1; select 2', ['-- one; two\nselect 1', 'select 2']],
  [
    'nested comments',
    'select 1 /* a; /* b; */ c; */; select 2',
    ['select 1 /* a; /* b; */ c; */', 'select 2'],
  ],
  [
    'bodies of SQL functions',
    'create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3',
    [
      'create function f() returns int begin atomic select case when true then 1 end; select 2; end',
      'select 3',
    ],
  ],
  ['transaction blocks', 'begin; select 1; end', ['begin', 'select 1', 'end']],
  ['empty statements', ';; select 1;\n;', ['select 1']],
  ['a comment at the end', 'select 1; -- done', ['select 1', '-- done']],
])('semicolons in %s split where Postgres does', (_, script, expected) => {
  expect(texts(script)).toEqual(expected);
});

test('a statement knows where it and its code begin', () => {
  const script = 'select 1;\n\n-- about two\nselect 2;';
  const [, second] = splitStatements(script);
  expect(script.slice(second?.offset)).toMatch(/^-- about two/);
  expect(script.slice(second?.codeOffset)).toBe('select 2;');
});

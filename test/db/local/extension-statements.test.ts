import { expect, test } from 'vitest';
import { createdExtension, runnable, shortened } from '../../../tools/local/postgres/extension-statements.ts';

test.each([
  ['create extension vector', 'vector'],
  ['CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA extensions', 'uuid-ossp'],
  ['create  extension\n  if not exists Pg_Trgm', 'pg_trgm'],
  ['drop extension vector', undefined],
  ["comment on extension vector is 'create extension http'", undefined],
])('%j creates the extension %s', (code, name) => {
  expect(createdExtension(code)).toBe(name);
});

test.each([
  'begin',
  'BEGIN TRANSACTION',
  'begin work',
  'start transaction read write',
  'commit',
  'commit work',
  'end',
])('%s is left out: a migration is one transaction already', (code) => {
  expect(runnable(code)).toBeUndefined();
});

test.each([
  'rollback',
  'begin_work()',
  'select 1',
  'create function f() returns int language sql begin atomic select 1; end',
  'create extension if not exists pgcrypto with schema extensions',
])('%s runs as it is', (code) => {
  expect(runnable(code)).toBe(code);
});

test.each([
  [
    "create extension pgcrypto with schema extensions version '1.2'",
    'create extension pgcrypto with schema extensions',
  ],
  ['create extension if not exists pg_cron with schema extensions', 'create extension if not exists pg_cron'],
  ['create extension "pg_net" schema "extensions" version "0.7"', 'create extension "pg_net"'],
])('an extension comes in the version and schema that there is: %s', (code, run) => {
  expect(runnable(code)?.trim()).toBe(run);
});

test('a statement about an event trigger goes to the function that may make one', () => {
  expect(runnable('create event trigger e on ddl_command_end execute function f()')).toBe(
    'select extensions.supapush_event_trigger($do$create event trigger e on ddl_command_end execute function f()$do$)',
  );
});

test('a long statement is shortened to one line', () => {
  expect(shortened('select\n  1')).toBe('select 1');
  expect(shortened('x'.repeat(200))).toBe(`${'x'.repeat(99)}…`);
});

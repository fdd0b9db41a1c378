import { expect, test } from 'vitest';
import { objectsAfter } from '../../../../src/cli/init/sql-objects.ts';

const after = (...migrations: string[]) =>
  [...objectsAfter(migrations.map((sql, index) => ({ file: `${index}.sql`, sql }))).keys()].sort();

test.each([
  ['create table public.push_quotes (id int);', ['relation public.push_quotes']],
  ['CREATE TABLE IF NOT EXISTS "public"."push_quotes" ("id" int);', ['relation public.push_quotes']],
  ['create table push_quotes as select 1;', ['relation public.push_quotes']],
  ['create unlogged table push_quotes ();', ['relation public.push_quotes']],
  ['create or replace view push_quotes as select 1;', ['relation public.push_quotes']],
  ['create materialized view app.a as select 1;', ['relation app.a']],
  ['create type push_kind as enum ();', ['relation public.push_kind']],
  ['create or replace function push_notify(a int) returns int', ['function public.push_notify']],
  ['create schema if not exists push;', ['schema push']],
  ['do $$ begin create table push_quotes (id int); end $$;', ['relation public.push_quotes']],
  ['create temp table push_quotes ();', []],
  ['-- create table push_quotes ();', []],
  ['/* create table push_quotes (); */', []],
  ["select 'create table push_quotes ()';", []],
  ["select 'it''s -- here'; create table a ();", ['relation public.a']],
  ['create function f() returns void as $body$ create table push_quotes (); $body$;', ['function public.f']],
])('%s makes %j', (sql, made) => {
  expect(after(sql)).toEqual(made);
});

test.each([
  ['drop table if exists public.push_quotes cascade;', []],
  ['drop table a, push_quotes, b;', []],
  ['alter table push_quotes rename to old_quotes;', ['relation public.old_quotes']],
  ['alter table only "public"."push_quotes" rename to "Old";', ['relation public.Old']],
  ['alter table push_quotes set schema archive;', ['relation archive.push_quotes']],
  ['alter table push_quotes rename column a to b;', ['relation public.push_quotes']],
  ['drop table push_quotes; create table push_quotes ();', ['relation public.push_quotes']],
])('%s of a later migration is followed', (sql, left) => {
  expect(after('create table public.push_quotes (id int);', sql)).toEqual(left);
});

test('functions and schemas go and move as well', () => {
  const made = 'create schema push; create function push_notify(a int, b text) returns int';
  expect(after(made, 'drop function push_notify(int, text); drop schema push cascade;')).toEqual([]);
  expect(
    after(made, 'alter function push_notify(int, text) rename to tell; alter schema push rename to mine;'),
  ).toEqual(['function public.tell', 'schema mine']);
});

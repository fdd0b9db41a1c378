import { afterEach, beforeAll, expect, test } from 'vitest';
import { readRuleErrors, readTold, removeRules, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

beforeAll(async () => {
  const { sql } = db();
  await sql.unsafe(`
    create type public.mood as enum ('calm', 'angry');
    create type public.plain_pair as (a integer, b text);
    create type public.json_pair as (a integer, j json);
    create domain public.document as json;
    create domain public.pair_domain as public.json_pair;
    create domain public.positive as numeric not null default 1 check (value > 0);
    create extension if not exists hstore with schema extensions;
    create extension if not exists citext with schema extensions;`);
});
afterEach(async () => {
  await removeRules(db().sql);
  await db().sql`drop table if exists public.things`;
});

// Type, two values, and what to_jsonb makes of them.
test.each<[string, string, string, unknown, unknown]>([
  ['json', '{"a": 1}', '{"a": 2}', { a: 1 }, { a: 2 }],
  ['jsonb', '{"a": 1}', '{"a": 2}', { a: 1 }, { a: 2 }],
  ['public.document', '1', '2', 1, 2],
  ['json[]', '{1}', '{2}', [1], [2]],
  ['public.document[]', '{1}', '{2}', [1], [2]],
  ['public.json_pair', '(1,1)', '(1,2)', { a: 1, j: 1 }, { a: 1, j: 2 }],
  ['public.json_pair[]', '{"(1,1)"}', '{"(1,2)"}', [{ a: 1, j: 1 }], [{ a: 1, j: 2 }]],
  ['public.pair_domain', '(1,1)', '(1,2)', { a: 1, j: 1 }, { a: 1, j: 2 }],
  ['public.plain_pair', '(1,x)', '(1,y)', { a: 1, b: 'x' }, { a: 1, b: 'y' }],
  ['public.positive', '1', '2', 1, 2],
  ['xml', '<a/>', '<b/>', '<a/>', '<b/>'],
  ['point', '(1,2)', '(1,3)', '(1,2)', '(1,3)'],
  ['point[]', '{"(1,2)"}', '{"(1,3)"}', ['(1,2)'], ['(1,3)']],
  ['line', '{1,2,3}', '{1,2,4}', '{1,2,3}', '{1,2,4}'],
  ['lseg', '[(0,0),(1,1)]', '[(0,0),(1,2)]', '[(0,0),(1,1)]', '[(0,0),(1,2)]'],
  // Their = compares areas, and the number of points.
  ['box', '(2,2),(0,0)', '(3,3),(1,1)', '(2,2),(0,0)', '(3,3),(1,1)'],
  ['circle', '<(0,0),1>', '<(5,5),1>', '<(0,0),1>', '<(5,5),1>'],
  ['path', '[(0,0),(1,1)]', '[(0,0),(2,1)]', '[(0,0),(1,1)]', '[(0,0),(2,1)]'],
  ['polygon', '((0,0),(1,1))', '((0,0),(2,1))', '((0,0),(1,1))', '((0,0),(2,1))'],
  ['public.mood', 'calm', 'angry', 'calm', 'angry'],
  ['text[]', '{a}', '{b}', ['a'], ['b']],
  ['int4range', '[1,2)', '[1,3)', '[1,2)', '[1,3)'],
  ['int4multirange', '{[1,2)}', '{[1,3)}', '{[1,2)}', '{[1,3)}'],
  ['tsvector', 'a', 'b', "'a'", "'b'"],
  ['money', '1', '2', '$1.00', '$2.00'],
  ['bit(3)', '101', '111', '101', '111'],
  ['varchar(5)', 'a', 'b', 'a', 'b'],
  ['"char"', 'a', 'b', 'a', 'b'],
  ['double precision', 'NaN', '1', 'NaN', 1],
  // Of an extension, whose = is not found without its schema.
  ['extensions.hstore', 'a=>1', 'a=>2', { a: '1' }, { a: '2' }],
  ['extensions.citext', 'a', 'b', 'a', 'b'],
])('%s', async (type, first, second, old, changed) => {
  const { sql } = db();
  await sql.unsafe(
    `create table public.things (id integer primary key, owner_id uuid, thing ${type}, other integer)`,
  );
  await sql`insert into public.things (id, owner_id, thing) values (1, ${owner()}, ${sql.unsafe(`'${first}'`)})`;
  await watch(sql, { table: 'public.things', events: ['update'], columns: ['thing'] });
  await sql`update public.things set other = 1`;
  await sql.unsafe(`update public.things set thing = '${first}'`);
  expect(await readTold(sql)).toEqual([]);
  await sql.unsafe(`update public.things set thing = '${second}'`);
  expect((await readTold(sql)).map(({ params }) => params)).toEqual([
    { changes: { thing: { old, new: changed } } },
  ]);
  expect(await readRuleErrors(sql)).toEqual([]);
});

test.each(['json', 'point', 'public.json_pair'])('%s that is null before or after', async (type) => {
  const { sql } = db();
  await sql.unsafe(`create table public.things (id integer primary key, owner_id uuid, thing ${type})`);
  await sql`insert into public.things (id, owner_id) values (1, ${owner()})`;
  await watch(sql, { table: 'public.things', events: ['update'], columns: ['thing'] });
  await sql`update public.things set thing = null`;
  expect(await readTold(sql)).toHaveLength(0);
  const value = { json: '1', point: '(1,2)' }[type] ?? '(1,1)';
  await sql.unsafe(`update public.things set thing = '${value}'`);
  expect(await readTold(sql)).toHaveLength(1);
  await sql`update public.things set thing = null`;
  expect(await readTold(sql)).toHaveLength(2);
  expect(await readRuleErrors(sql)).toEqual([]);
});

test('what is equal has not changed, however it is written', async () => {
  const { sql } = db();
  await sql`create table public.things (id integer primary key, owner_id uuid, thing numeric, list numeric[])`;
  await sql`insert into public.things values (1, ${owner()}, 1.0, '{1.0}')`;
  await watch(sql, { table: 'public.things', events: ['update'], columns: ['thing', 'list'] });
  await sql`update public.things set thing = 1.00, list = '{1.00}'`;
  expect(await readTold(sql)).toEqual([]);
});

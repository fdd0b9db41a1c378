import { afterEach, expect, test } from 'vitest';
import { readRuleErrors, readTitles, readTold, removeRules, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

afterEach(async () => {
  const { sql } = db();
  await removeRules(sql);
  await sql.unsafe('drop table if exists public.watched cascade; drop schema if exists "Deal Board" cascade');
});

const ALL = ['insert', 'update', 'delete'];

test('with quotes, capitals, spaces and keywords in every name', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create schema "Deal Board";
    create table "Deal Board"."The ""Deals"" %s" (
      "Deal ID" integer, "select" text, "Owner's Id" uuid, "new" text, "old" text, "%I" json,
      primary key ("Deal ID", "select")
    )`);
  await watch(sql, {
    table: '"Deal Board"."The ""Deals"" %s"',
    events: ALL,
    columns: ['new', '%I'],
    recipients: `coalesce(new."Owner's Id", old."Owner's Id")`,
    title: `concat_ws(' ', new."Deal ID", new."new", 'was', old."Deal ID", old."old")`,
    params: `jsonb_build_object('%I', new."%I")`,
  });
  const insert = (values: string) =>
    sql.unsafe(`insert into "Deal Board"."The ""Deals"" %s" values ${values}`);
  await insert(`(1, 'a', '${owner()}', 'n', 'o', '{"x": 1}')`);
  await sql.unsafe(`update "Deal Board"."The ""Deals"" %s" set "%I" = '{"x": 2}'`);
  await sql.unsafe(`update "Deal Board"."The ""Deals"" %s" set "old" = 'p'`);
  await sql.unsafe(`delete from "Deal Board"."The ""Deals"" %s"`);
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTitles(sql)).toEqual(['1 n was', '1 n was 1 o', 'was 1 p']);
});

test('with a primary key of several columns', async () => {
  const { sql } = db();
  await sql`create table public.watched (a integer, b text, stage text, owner_id uuid, primary key (b, a))`;
  await watch(sql, {
    table: 'public.watched',
    events: ['update'],
    columns: ['stage'],
    title: `new.a || new.b || ' ' || old.stage || new.stage`,
  });
  await sql`
    insert into public.watched values
      (1, 'x', 'o', ${owner()}), (1, 'y', 'p', ${owner()}), (2, 'x', 'q', ${owner()})`;
  await sql`update public.watched set stage = 'w' where a = 1`;
  expect(await readTitles(sql)).toEqual(['1x ow', '1y pw']);
});

test('with a primary key that includes further columns', async () => {
  const { sql } = db();
  await sql`create table public.watched (id integer, stage text, owner_id uuid, primary key (id) include (stage, owner_id))`;
  await watch(sql, {
    table: 'public.watched',
    events: ['update'],
    columns: ['stage'],
    title: `old.stage || new.stage`,
  });
  await sql`insert into public.watched values (1, 'o', ${owner()})`;
  await sql`update public.watched set stage = 'w'`;
  expect(await readTitles(sql)).toEqual(['ow']);
});

test('partitioned', async () => {
  const { sql } = db();
  await sql`create table public.watched (id integer primary key, stage text, owner_id uuid) partition by range (id)`;
  await sql`create table public.watched_1 partition of public.watched for values from (0) to (10)`;
  await sql`create table public.watched_2 partition of public.watched for values from (10) to (20)`;
  await watch(sql, {
    table: 'public.watched',
    events: ALL,
    recipients: 'coalesce(new.owner_id, old.owner_id)',
    title: `concat_ws(' ', coalesce(new.id, old.id), old.stage, '→', new.stage)`,
  });
  await sql`insert into public.watched values (1, 'o', ${owner()}), (11, 'o', ${owner()})`;
  await sql`update public.watched set stage = 'w'`;
  await sql`delete from public.watched`;
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTitles(sql)).toEqual(['1 o → w', '1 w →', '1 → o', '11 o → w', '11 w →', '11 → o'].sort());
});

test('with generated and identity columns', async () => {
  const { sql } = db();
  await sql`
    create table public.watched (
      id bigint generated always as identity primary key, owner_id uuid, net integer,
      gross integer generated always as (net * 2) stored
    )`;
  await watch(sql, {
    table: 'public.watched',
    events: ['insert', 'update'],
    columns: ['gross'],
    title: `new.id || ': ' || new.gross`,
  });
  await sql`insert into public.watched (owner_id, net) values (${owner()}, 1)`;
  await sql`update public.watched set net = 2`;
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTitles(sql)).toEqual(['1: 2', '1: 4']);
});

test('with columns named like what the compiled rule uses', async () => {
  const { sql } = db();
  await sql`
    create table public.watched (
      id integer primary key, user_id uuid, title text, body text, url text, params jsonb, idempotency_key text,
      message text, recipient text, v_detail text, sqlerrm text, tg_op text
    )`;
  await watch(sql, {
    table: 'public.watched',
    recipients: 'new.user_id',
    title: 'new.title || new.message',
    body: 'new.v_detail',
    url: 'new.url',
    params: 'new.params',
  });
  await sql`
    insert into public.watched (id, user_id, title, message, v_detail, url, params, body)
    values (1, ${owner()}, 'T', 'M', 'D', '/u', '{"a": 1}', 'not this')`;
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTold(sql)).toEqual([
    { user_id: owner(), title: 'TM', body: 'D', url: '/u', params: { a: 1 } },
  ]);
});

test('auth.users itself: a welcome for each user who signs up', async () => {
  const { sql } = db();
  const granted = await sql`select has_table_privilege('postgres', 'auth.users', 'trigger') as may`;
  expect(granted[0]?.may).toBe(true);
  await watch(sql, { name: 'welcome', table: 'auth.users', recipients: 'new.id', title: `'Welcome'` });
  await sql`insert into auth.users (id, email) values (gen_random_uuid(), 'new@example.com')`;
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTitles(sql)).toEqual(['Welcome']);
});

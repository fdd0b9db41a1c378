import { afterAll, beforeAll, expect, test } from 'vitest';
import { asAnon, createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrations: false });
  await database.sql`create extension if not exists pg_net with schema extensions`;
  await database.sql`create extension if not exists pg_net`;
  await database.sql`create table public.written (id int)`;
});
afterAll(() => database.drop());

test.each([
  ['a NULL URL', 'select net.http_post(null)', '23502'],
  ['an empty URL', `select net.http_post('')`, 'XX000'],
  ['a URL without a scheme', `select net.http_post('example.com/x')`, 'XX000'],
  ['a scheme that curl does not know', `select net.http_post('javascript:alert(1)')`, 'XX000'],
  ['no host behind another scheme', `select net.http_post('ftp:///x')`, 'XX000'],
  ['a URL without a host', `select net.http_post('http:///x')`, 'XX000'],
  ['a space in the URL', `select net.http_get('http://example.com/a b')`, 'XX000'],
  ['a port out of range', `select net.http_delete('http://example.com:65536/')`, 'XX000'],
  ['a NULL timeout', `select net.http_post('http://example.com', timeout_milliseconds := null)`, '23502'],
  [
    'a Content-Type that is not exactly application/json',
    `select net.http_post('http://example.com', headers := '{"content-type": "application/json; charset=utf-8"}')`,
    'P0001',
  ],
])('%s aborts the transaction of the caller', async (_, statement, code) => {
  await expect(
    database.sql.begin(async (sql) => {
      await sql`insert into public.written values (1)`;
      await sql.unsafe(statement);
    }),
  ).rejects.toMatchObject({ code });
  expect(await database.sql`select from public.written`).toHaveLength(0);
});

test.each([
  ['http://example.com', '{}', 'http://example.com/'],
  ['http://[::1]:8080/a', '{}', 'http://[::1]:8080/a'],
  ['https://u:p@example.com/a?x=1', '{"y": "ü&"}', 'https://u:p@example.com/a?x=1&y=%C3%BC%26'],
  ['https://example.com', '{"a": 1, "b": null}', 'https://example.com/?a=1'],
  ['ftp://example.com/x', '{}', 'ftp://example.com/x'],
  ['FTPS://example.com', '{}', 'FTPS://example.com/'],
  ['file:///etc/passwd', '{}', 'file:///etc/passwd'],
])('the URL %s with the parameters %s is queued as %s', async (url, params, expected) => {
  const [row] = await database.sql`
    with request as (select net.http_get(${url}, ${params}::text::jsonb) as id) select id::text as id from request
  `;
  const [queued] = await database.sql`select url from net.http_request_queue where id = ${row?.id}`;
  expect(queued?.url).toBe(expected);
});

test('the defaults are those of pg_net, and a missing Content-Type is added', async () => {
  await database.sql`truncate net.http_request_queue`;
  await database.sql`select net.http_post('http://example.com')`;
  await database.sql`select net.http_post('http://example.com', headers := '{"X-A": "b"}')`;
  const rows = await database.sql`
    select method, headers, convert_from(body, 'UTF8') as body, timeout_milliseconds from net.http_request_queue
    order by id
  `;
  const json = { 'Content-Type': 'application/json' };
  expect(rows).toEqual([
    { method: 'POST', headers: json, body: '{}', timeout_milliseconds: 5000 },
    { method: 'POST', headers: { ...json, 'X-A': 'b' }, body: '{}', timeout_milliseconds: 5000 },
  ]);
});

test.each([
  'create index on net.http_request_queue (id)',
  'create index on net._http_response (id)',
  'alter table net._http_response set logged',
  'drop table net.http_request_queue',
  'create table net.own (id int)',
  'alter function net.wake() rename to wake2',
  'create or replace function net.wake() returns void language sql as $$ select $$',
])('postgres may not: %s', async (statement) => {
  await expect(database.sql.unsafe(statement)).rejects.toMatchObject({ code: '42501' });
});

test('both tables are unlogged and belong to the superuser', async () => {
  const rows = await database.sql`
    select relname, relpersistence, pg_get_userbyid(relowner) as owner from pg_class
    where relnamespace = 'net'::regnamespace and relkind = 'r' order by relname
  `;
  expect(rows).toEqual([
    { relname: '_http_response', relpersistence: 'u', owner: 'supabase_admin' },
    { relname: 'http_request_queue', relpersistence: 'u', owner: 'supabase_admin' },
  ]);
});

test('functions run with the rights of the caller, and API roles have those they need, as on hosted', async () => {
  const definers = await database.sql`
    select proname from pg_proc where pronamespace = 'net'::regnamespace and (prosecdef or proconfig is not null)
  `;
  expect(definers).toEqual([]);
  const [row] = await asAnon(
    database.sql,
    (sql) => sql`select net.http_get('http://example.com') > 0 as queued`,
  );
  expect(row?.queued).toBe(true);
});

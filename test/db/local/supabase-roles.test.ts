import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  asAnon,
  asService,
  asUser,
  createTestDatabase,
  createUser,
  type TestDatabase,
} from '../../support/postgres.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrations: false });
});
afterAll(() => database.drop());

test('the roles have the attributes Supabase gives them', async () => {
  const rows = await database.sql`
    select rolname as role, rolsuper as super, rolcanlogin as login, rolinherit as inherit, rolbypassrls as bypass,
      rolcreaterole as createrole, rolcreatedb as createdb
    from pg_roles where rolname in
      ('supabase_admin', 'supabase_auth_admin', 'postgres', 'anon', 'authenticated', 'service_role',
        'authenticator')
    order by rolname
  `;
  const none = {
    super: false,
    login: false,
    inherit: false,
    bypass: false,
    createrole: false,
    createdb: false,
  };
  expect(rows).toEqual([
    { ...none, role: 'anon' },
    { ...none, role: 'authenticated' },
    { ...none, role: 'authenticator', login: true },
    { ...none, role: 'postgres', login: true, inherit: true, bypass: true, createrole: true, createdb: true },
    { ...none, role: 'service_role', bypass: true },
    {
      role: 'supabase_admin',
      super: true,
      login: true,
      inherit: true,
      bypass: true,
      createrole: true,
      createdb: true,
    },
    { ...none, role: 'supabase_auth_admin', login: true, createrole: true },
  ]);
});

test('the auth server owns its tables, runs triggers of a project as its own role, and reaches nothing else', async () => {
  await database.sql.unsafe(`
    create table public.greetings (name text);
    create function public.greet() returns trigger language plpgsql as
      $$ begin insert into public.greetings values (current_user); return new; end $$;
    create trigger greet after insert on auth.users for each row execute function public.greet();
  `);
  const admin = postgres(database.superuserUrl, { max: 1 });
  const id = randomUUID();
  const signUp = () =>
    admin.begin(async (sql) => {
      await sql`set local session authorization supabase_auth_admin`;
      await sql`insert into auth.users (id) values (${id})`;
    });
  await expect(signUp()).rejects.toMatchObject({
    code: '42501',
    message: 'permission denied for table greetings',
  });
  await database.sql`alter function public.greet() security definer`;
  await signUp();
  expect(await database.sql`select name from public.greetings`).toEqual([{ name: 'postgres' }]);
  const [owners] = await database.sql`
    select array_agg(distinct tableowner) as of_tables from pg_tables where schemaname = 'auth'`;
  expect(owners?.of_tables).toEqual(['supabase_auth_admin']);
  await admin`drop trigger greet on auth.users`;
  await admin`delete from auth.users where id = ${id}`;
  await admin.end();
});

test('anon has 3 s and authenticated 8 s for a statement', async () => {
  const rows = await database.sql`
    select setrole::regrole::text as role, setting from pg_db_role_setting, unnest(setconfig) as setting
    where setting like 'statement_timeout=%' order by 1
  `;
  expect(rows).toEqual([
    { role: 'anon', setting: 'statement_timeout=3s' },
    { role: 'authenticated', setting: 'statement_timeout=8s' },
    { role: 'authenticator', setting: 'statement_timeout=8s' },
  ]);
});

test('a new table in public is for its owner alone until it is granted', async () => {
  await database.sql`create table public.private (id int)`;
  const user = await createUser(database.sql);
  const select = `select * from public.private`;
  await expect(asAnon(database.sql, (sql) => sql.unsafe(select))).rejects.toMatchObject({ code: '42501' });
  await expect(asUser(database.sql, user.id, (sql) => sql.unsafe(select))).rejects.toMatchObject({
    code: '42501',
  });
  await expect(asService(database.sql, (sql) => sql.unsafe(select))).rejects.toMatchObject({ code: '42501' });
  await database.sql`grant select on public.private to anon`;
  expect(await asAnon(database.sql, (sql) => sql.unsafe(select))).toEqual([]);
});

test('auth.uid, auth.role and auth.jwt tell who asks', async () => {
  const user = await createUser(database.sql);
  const who = await asUser(
    database.sql,
    user.id,
    (sql) =>
      sql`select auth.uid() as id, auth.role() as role, auth.jwt() ->> 'sub' as sub, current_user::text as name`,
  );
  expect(who).toEqual([{ id: user.id, role: 'authenticated', sub: user.id, name: 'authenticated' }]);
  const nobody = await asAnon(database.sql, (sql) => sql`select auth.uid() as id, auth.role() as role`);
  expect(nobody).toEqual([{ id: null, role: 'anon' }]);
});

test('auth.uid reads the claims as one object too, as newer PostgREST sets them', async () => {
  const user = await createUser(database.sql);
  const [row] = await database.sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', ${JSON.stringify({ sub: user.id })}, true)`;
    return sql`select auth.uid() as id`;
  });
  expect(row?.id).toBe(user.id);
});

test('postgres references auth.users and puts triggers on it, API roles do not read it', async () => {
  await database.sql.unsafe(`
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create function public.add_profile() returns trigger language plpgsql security definer set search_path = ''
      as $$ begin insert into public.profiles values (new.id); return new; end $$;
    create trigger add_profile after insert on auth.users for each row execute function public.add_profile();
  `);
  const user = await createUser(database.sql);
  expect(await database.sql`select id from public.profiles where id = ${user.id}`).toHaveLength(1);
  await database.sql`delete from auth.users where id = ${user.id}`;
  expect(await database.sql`select id from public.profiles where id = ${user.id}`).toHaveLength(0);
  await expect(asAnon(database.sql, (sql) => sql`select from auth.users`)).rejects.toMatchObject({
    code: '42501',
  });
  await expect(asUser(database.sql, user.id, (sql) => sql`select from auth.users`)).rejects.toMatchObject({
    code: '42501',
  });
});

test.each([
  `alter system set work_mem = '1MB'`,
  'create role another superuser',
  'create table auth.own (id int)',
  'create extension file_fdw',
  'set role supabase_admin',
])('postgres, who is no superuser, may not: %s', async (statement) => {
  await expect(database.sql.unsafe(statement)).rejects.toMatchObject({ code: '42501' });
});

test('pgcrypto and uuid-ossp lie in extensions, and postgres finds them', async () => {
  const [row] =
    await database.sql`select length(gen_random_bytes(4)) as n, extensions.uuid_generate_v4() as id`;
  expect(row).toMatchObject({ n: 4, id: expect.stringMatching(/^[\da-f-]{36}$/) });
});

test('pg_net and pg_cron are not there until a migration creates them', async () => {
  const rows = await database.sql`select extname from pg_extension order by extname`;
  expect(rows.map(({ extname }) => extname)).toEqual(['pgcrypto', 'plpgsql', 'supabase_vault', 'uuid-ossp']);
});

import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findTakeOver, takeOverNotes, withTakeOver } from '../../../src/cli/init/take-over.ts';
import { asUser, createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';
import { createSubscription } from '../../support/subscriptions.ts';
import { schemaMigration, uninstall } from '../../support/uninstall.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrations: false });
});
afterAll(() => database?.drop());

// With the names of constraints and indexes that Supapush's own table has.
const APP = `
  create table public.push_subscriptions (
    id uuid primary key default gen_random_uuid(), user_id uuid not null references auth.users on delete cascade,
    endpoint text not null unique, keys jsonb not null, created_at timestamptz default now()
  );
  create index push_subscriptions_user_id_idx on public.push_subscriptions (user_id);
  alter table public.push_subscriptions enable row level security;
  create policy own on public.push_subscriptions for select to authenticated using (user_id = auth.uid());
  grant select on public.push_subscriptions to authenticated;
  create view public.devices as select id, endpoint from public.push_subscriptions;
  create table public.sent (subscription uuid references public.push_subscriptions);
  create function public.send_all() returns bigint language plpgsql as $$ begin return (select count(*) from public.push_subscriptions); end $$;`;

test('it gets another name, with what hangs on it, and its rows become devices in the same transaction', async () => {
  const { sql, url } = database;
  await sql.unsafe(APP);
  const { id } = await createUser(sql);
  const device = createSubscription();
  const [row] = await sql<{ id: string }[]>`
    insert into public.push_subscriptions (user_id, endpoint, keys)
    values (${id}, ${device.endpoint}, ${sql.json({ p256dh: device.p256dh, auth: device.auth })}) returning id`;
  await sql`insert into public.sent values (${row?.id ?? ''})`;

  const migrations = [{ file: '1.sql', sql: APP }];
  const found = findTakeOver(migrations, 'push_subscriptions');
  const said: string[] = [];
  const migrating = postgres(url, { max: 1, onnotice: ({ message }) => said.push(message ?? '') });
  await migrating.unsafe(withTakeOver(await schemaMigration(), found)).simple();
  await migrating.end();

  expect(said).toContainEqual(
    'Supapush took over 1 of 1 rows of public."push_subscriptions_before_supapush", which are 1 devices.',
  );
  expect(said).toContainEqual(
    'These functions name push_subscriptions, which is the table of Supapush from now on: send_all()',
  );
  expect(takeOverNotes(found, migrations).join('\n')).toContain('public.send_all');
  const [after] = await sql`
    select (select array_agg(endpoint) from public.push_subscriptions) as devices, (select count(*)::int from public.devices) as of_the_view,
      (select confrelid::regclass::text from pg_constraint where conrelid = 'public.sent'::regclass) as referred`;
  expect(after).toEqual({
    devices: [device.endpoint],
    of_the_view: 1,
    referred: 'push_subscriptions_before_supapush',
  });
  const own = await asUser(sql, id, (t) => t`select endpoint from public.push_subscriptions_before_supapush`);
  expect([...own]).toEqual([{ endpoint: device.endpoint }]);
});

test('uninstall asks for the function first, and leaves the table of before', async () => {
  const { sql, url } = database;
  await expect(uninstall(url)).rejects.toThrow('function public.send_all');
  await sql`drop function public.send_all()`;
  await uninstall(url);
  const [row] = await sql`
    select to_regclass('public.push_subscriptions') is null as gone,
      (select count(*)::int from public.push_subscriptions_before_supapush) as rows`;
  expect(row).toEqual({ gone: true, rows: 1 });
});

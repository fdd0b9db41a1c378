import { afterAll, beforeAll, expect, test } from 'vitest';
import { VERSION } from '../../../src/shared/version.ts';
import { MORNING, makeAlert, recordQuotes } from '../../support/alerts.ts';
import { createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { schemaMigration, uninstall } from '../../support/uninstall.ts';
import { readWholeCatalog } from '../../support/whole-catalog.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrations: false });
});
afterAll(() => database?.drop());

const APP = `
  create table public.bookings (
    id bigint generated always as identity primary key, guest uuid not null references auth.users, starts_at timestamptz not null, state text
  );
  alter table public.bookings enable row level security;
  create policy own on public.bookings for all to authenticated using (guest = auth.uid());
  grant select on public.bookings to authenticated;
  create schema shop;
  create table shop.orders (id bigint primary key, buyer uuid);
  create function shop.touch() returns trigger language plpgsql as $$ begin return new; end $$;
  create trigger touch before update on shop.orders for each row execute function shop.touch();
  create publication shops for table shop.orders;
  alter default privileges in schema shop grant select on tables to authenticated;
  create table public.push_tokens (token text);
  create function public.push_notify(p_of_the_app text) returns text language sql as $$ select p_of_the_app $$;`;

/** Each capability leaves rows, and some triggers, jobs and secrets. */
async function use({ sql }: TestDatabase): Promise<void> {
  const { id } = await createUser(sql);
  await sql`select push.connect('https://abcdefghijklmnopqrst.supabase.co', ${'s'.repeat(32)})`;
  await sql`insert into public.push_categories (key, title) values ('bookings', 'Bookings')`;
  await sql`insert into public.push_topics (key, title) values ('news', 'News')`;
  await sql`insert into public.push_topic_members (topic, user_id) values ('news', ${id})`;
  await sql`insert into public.push_templates (key, title) values ('hello', 'Hello')`;
  await sql`select push.watch('booked', 'public.bookings', 'select new.guest', '''Booked''', p_events => '{insert,update,delete}')`;
  await sql`select push.watch('ordered', 'shop.orders', 'select new.buyer', '''Ordered''', p_events => '{insert,update}')`;
  await sql`select push.watch('joined', 'auth.users', 'select new.id', '''Welcome''')`;
  await sql`select push.remind('soon', 'public.bookings', p_at => 'new.starts_at', p_before => '{1 hour}',
    p_recipients => 'new.guest', p_title => '''Soon''')`;
  await sql`select push.define_quote_source('rates', 'json', 'https://rates.example.com/{symbols}', 'data[*].last', 'data[*].symbol')`;
  await subscribe(sql, id);
  await sql`insert into public.bookings (guest, starts_at) values (${id}, now() + interval '30 minutes')`;
  await sql`insert into shop.orders select coalesce(max(id), 0) + 1, ${id} from shop.orders`;
  await makeAlert(sql, { symbol: 'DAX', condition: 'below', threshold: 10 });
  await recordQuotes(sql, [{ symbol: 'DAX', value: 12 }], MORNING);
  await recordQuotes(sql, [{ symbol: 'DAX', value: 9 }], MORNING);
  await sql`select public.push_notify(${id}, ${sql.json({ title: 'Hello' })})`;
  await sql`select push.notify_topic(p_audience_topic => 'news', p_title => 'News')`;
  await sql`select push.tick()`;
  await sql`insert into cron.job_run_details (jobid, runid, status) select jobid, 900 + jobid, 'succeeded' from cron.job
    where jobname like 'supapush-%'`;
  await sql`alter publication shops add table public.push_subscriptions`;
}

test('init, use, uninstall: the catalog, jobs and secrets are as before, and the app’s rows are there', async () => {
  const { sql, url, superuserUrl } = database;
  await sql.unsafe(APP);
  await sql.unsafe('create extension pg_net with schema extensions; create extension pg_cron');
  await sql`select cron.schedule('nightly', '0 3 * * *', 'select 1')`;
  await sql`select vault.create_secret('mine', 'stripe_key')`;
  const before = await readWholeCatalog(superuserUrl);

  await sql.unsafe(await schemaMigration());
  await use(database);
  const [used] = await sql<{ queued: number; triggers: number; jobs: number }[]>`
    select (select count(*)::int from push.queue) as queued, (select count(*)::int from cron.job) as jobs,
      (select count(*)::int from pg_trigger where tgname like 'push_r%') as triggers`;
  expect(used?.queued).toBeGreaterThan(0);
  expect(used?.jobs).toBeGreaterThan(3);
  expect(used?.triggers).toBeGreaterThan(6);

  const notices = await uninstall(url);
  expect(notices).toContainEqual(
    'Supapush is removed. These extensions stay, as others may use them: pg_cron, pg_net, supabase_vault.',
  );
  const after = await readWholeCatalog(superuserUrl);
  const without = (lines: string[]) => lines.filter((line) => !line.startsWith('rows '));
  expect(without(after.lines)).toEqual(without(before.lines));
  expect(after.extensions).toEqual(before.extensions);
  const [kept] = await sql`
    select (select count(*)::int from public.bookings) as bookings, (select count(*)::int from shop.orders) as orders`;
  expect(kept).toEqual({ bookings: 1, orders: 1 });
});

test('the app writes on, and a second run finds nothing', async () => {
  const { sql, url } = database;
  await sql`update public.bookings set state = 'confirmed'`;
  await sql`insert into shop.orders values (2, null)`;
  expect(await uninstall(url)).toContainEqual('There is no Supapush in this database: nothing was removed.');
});

test('a migration that git gave line ends of Windows makes the same, works, and goes as well', async () => {
  const { sql, url, superuserUrl } = database;
  const before = await readWholeCatalog(superuserUrl);
  await sql.unsafe((await schemaMigration()).replaceAll('\n', '\r\n'));
  await use(database);
  const [used] = await sql<{ queued: number; version: string }[]>`
    select (select count(*)::int from push.queue) as queued, push.version() as version`;
  expect(used?.queued).toBeGreaterThan(0);
  expect(used?.version).toBe(VERSION);
  await uninstall(url);
  const after = await readWholeCatalog(superuserUrl);
  const without = (lines: string[]) => lines.filter((line) => !line.startsWith('rows '));
  expect(without(after.lines)).toEqual(without(before.lines));
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { withSessions } from '../../support/sessions.ts';
import { uninstall } from '../../support/uninstall.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.sql`create table public.orders (id bigint primary key, buyer uuid)`;
  await database.sql`select push.watch('ordered', 'public.orders', 'select new.buyer', '''Ordered''')`;
});
afterAll(() => database?.drop());

const failure = async (lockTimeout?: string) =>
  (await uninstall(database.url, { lockTimeout }).then(
    () => null,
    (error: Error) => error,
  )) as (Error & { code: string; hint: string }) | null;

const stillThere = async () => {
  const [row] = await database.sql`
    select to_regclass('push.settings') is not null as schema,
      (select count(*)::int from cron.job where jobname like 'supapush-%') as jobs,
      (select count(*)::int from pg_trigger where tgname = 'push_rules_orders_insert') as triggers`;
  return row;
};

test('what is made of its tables and functions is named, and nothing is removed', async () => {
  const { sql } = database;
  await sql.unsafe(`
    create view public.mine as select id, endpoint from public.push_subscriptions;
    create table public.noted (notification uuid references public.push_notifications);
    create policy own on public.orders using (buyer = public.push_user_id());
    alter table public.orders alter column buyer set default public.push_user_id();
    alter table public.orders add column said push.message;
    create function public.saying() returns push.message language plpgsql as 'begin return null; end';`);
  const error = await failure();
  await sql.unsafe(`
    drop function public.saying();
    drop view public.mine;
    drop table public.noted;
    drop policy own on public.orders;
    alter table public.orders alter column buyer drop default, drop column said;`);
  expect(error).toMatchObject({
    code: '2BP01',
    message:
      'Supapush was not removed: these are made of its tables or functions, and would go with it: column said of table orders, ' +
      'constraint noted_notification_fkey on table noted, default value for column buyer of table orders, function saying(), ' +
      'policy own on table orders, view mine.',
    hint: 'Change or drop them in a migration before this one.',
  });
  expect(await stillThere()).toEqual({ schema: true, jobs: 4, triggers: 1 });
});

test('a trigger of the app’s own that asks or runs a function of ours is named, and not dropped with it', async () => {
  const { sql } = database;
  await sql.unsafe(`
    create function public.note() returns trigger language plpgsql as 'begin return new; end';
    create trigger asks before insert on public.orders for each row when (public.push_user_id() is not null)
      execute function public.note();
    create trigger runs after truncate on public.orders execute function push.keep_rows();`);
  const error = await failure();
  await sql.unsafe(
    'drop trigger asks on public.orders; drop trigger runs on public.orders; drop function public.note()',
  );
  expect(error).toMatchObject({
    code: '2BP01',
    message: expect.stringMatching(
      /would go with it: trigger asks on table orders, trigger runs on table orders\.$/,
    ),
  });
  expect(await stillThere()).toEqual({ schema: true, jobs: 4, triggers: 1 });
});

test('functions and jobs that only name it are named as well, but not for what a comment says', async () => {
  const { sql } = database;
  await sql.unsafe(`
    create function public.tell() returns void language plpgsql as $$ begin perform push.notify(null, 'x'); end $$;
    create function public.devices() returns bigint language plpgsql as $$ begin return (select count(*) from push_subscriptions); end $$;
    create function public.between() returns void language plpgsql as $$ begin /* one */
      perform push.notify(null, 'x'); /* two */ end $$;
    create function public.quoted() returns void language plpgsql as $$ begin perform "push" . "notify"(null, 'x'); end $$;
    create function public.texts() returns void language plpgsql as $$ begin
      raise notice '--'; perform push.notify(null, '/*'); perform push.notify(null, '*/'); end $$;
    create function public.marked() returns void language plpgsql as $$ begin -- from /* on
      perform push.tick(); -- to */ here
    end $$;
    create function public.quiet() returns void language plpgsql as $$ begin /* push.notify() */ -- push.tick() isn't called /*
      /* nor -- here *** push.tick() **/ raise notice 'quiet'; /* push.tick() */ end $$;
    select cron.schedule('weekly', '0 9 * * 1', 'select push.notify_topic(''news'', ''Weekly'')');`);
  const error = await failure();
  await sql.unsafe(`
    drop function public.tell(), public.devices(), public.between(), public.quoted(), public.texts(), public.marked(), public.quiet();
    select cron.unschedule('weekly');`);
  expect(error).toMatchObject({
    code: '2BP01',
    message:
      'Supapush was not removed: these use it, and would fail: function public.between, function public.devices, ' +
      'function public.marked, function public.quoted, function public.tell, function public.texts, job weekly of pg_cron.',
    hint: expect.stringContaining('c_may_fail'),
  });
  expect(await stillThere()).toEqual({ schema: true, jobs: 4, triggers: 1 });
});

test('a table that is in use for long is named, and nothing is removed', async () => {
  const error = await withSessions(database.url, 1, (busy) =>
    busy.sql.begin(async (transaction) => {
      await transaction`select from public.orders`;
      return { error: await failure('1ms') };
    }),
  );
  expect(error).toMatchObject({
    error: {
      code: '55P03',
      message: 'Supapush was not removed: orders is in use.',
      hint: expect.stringMatching(/^Nothing was changed\. .*run this again\.$/),
    },
  });
  expect(await stillThere()).toEqual({ schema: true, jobs: 4, triggers: 1 });
});

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asAnon, asService, asUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { readRuleErrors, readTitles, readTold, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner, other } = useDeals();

beforeEach(async () => {
  const { sql } = db();
  await sql.unsafe(`
    alter table public.deals enable row level security;
    drop policy if exists own on public.deals;
    create policy own on public.deals to authenticated using (owner_id = (select auth.uid())) with check (owner_id = (select auth.uid()));
    grant select, insert, update, delete on public.deals to authenticated, service_role;
    create table public.members (user_id uuid);
    alter table public.members enable row level security`);
  await watch(sql, {
    events: ['insert', 'update', 'delete'],
    recipients: 'select user_id from public.members',
    title: `concat_ws(' ', coalesce(new.id, old.id), coalesce(old.stage, '-'), '→', coalesce(new.stage, '-'))`,
  });
  await sql`insert into public.members values (${other()})`;
});
afterEach(async () => {
  await db().sql.unsafe(`select push.unwatch('deal_rule'); drop table public.members`);
});

async function expectTitles(...titles: string[]): Promise<void> {
  const { sql } = db();
  expect(await readRuleErrors(sql)).toEqual([]);
  expect(await readTitles(sql)).toEqual(titles.sort());
}

test('a signed-in user under RLS, who sees neither the recipients nor what they are told', async () => {
  const { sql } = db();
  await asUser(sql, owner(), async (t) => {
    await t`insert into public.deals (id, owner_id, stage) values (1, ${owner()}, 'open')`;
    await t`update public.deals set stage = 'won'`;
    await t`delete from public.deals`;
    expect(await t`select from public.push_notifications`).toHaveLength(0);
    expect((await refusalOf(t.savepoint((s) => s`select from public.members`))).sqlstate).toBe('42501');
  });
  await expectTitles('1 - → open', '1 open → won', '1 won → -');
  expect((await readTold(sql)).every(({ user_id }) => user_id === other())).toBe(true);
});

test('a write that RLS refuses notifies no user', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, owner_id, stage) values (1, ${other()}, 'open')`;
  await sql`delete from public.push_notifications`;
  const insert = asUser(
    sql,
    owner(),
    (t) => t`insert into public.deals (id, owner_id) values (2, ${other()})`,
  );
  expect((await refusalOf(insert)).sqlstate).toBe('42501');
  await asUser(sql, owner(), (t) => t`update public.deals set stage = 'won'`);
  expect((await refusalOf(asAnon(sql, (t) => t`insert into public.deals (id) values (3)`))).sqlstate).toBe(
    '42501',
  );
  await expectTitles();
});

test('the service', async () => {
  await asService(db().sql, (t) => t`insert into public.deals (id, stage) values (1, 'open')`);
  await expectTitles('1 - → open');
});

test('copy', async () => {
  const { sql } = db();
  const target = await sql`copy public.deals (id, stage) from stdin`.writable();
  await pipeline(Readable.from(['1\topen\n', '2\twon\n3\tlost\n']), target);
  await expectTitles('1 - → open', '2 - → won', '3 - → lost');
});

test('insert … on conflict do update: what was new and what was changed, each as what it is', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, stage) values (1, 'open')`;
  await sql`delete from public.push_notifications`;
  await sql`
    insert into public.deals (id, stage) values (1, 'won'), (2, 'open')
    on conflict (id) do update set stage = excluded.stage`;
  await expectTitles('1 open → won', '2 - → open');
});

test('insert … on conflict do nothing: what was new', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, stage) values (1, 'open')`;
  await sql`delete from public.push_notifications`;
  await sql`insert into public.deals (id, stage) values (1, 'won'), (2, 'open') on conflict do nothing`;
  await expectTitles('2 - → open');
});

test('merge: inserts, updates and deletes of one statement', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, stage) values (1, 'open'), (2, 'open'), (3, 'open')`;
  await sql`delete from public.push_notifications`;
  await sql`
    merge into public.deals as d
    using (values (1, 'won'), (2, null), (4, 'open')) as s (id, stage) on d.id = s.id
    when matched and s.stage is null then delete
    when matched then update set stage = s.stage
    when not matched then insert (id, stage) values (s.id, s.stage)`;
  await expectTitles('1 open → won', '2 open → -', '4 - → open');
});

test('a with clause that writes twice', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, stage) values (1, 'open')`;
  await sql`delete from public.push_notifications`;
  await sql`
    with gone as (delete from public.deals where id = 1 returning stage)
    insert into public.deals (id, stage) select 2, stage from gone`;
  await expectTitles('1 open → -', '2 - → open');
});

test('a trigger of another table', async () => {
  const { sql } = db();
  await sql.unsafe(`
    create table public.orders (id integer primary key);
    create function public.make_deal() returns trigger language plpgsql as $$
    begin insert into public.deals (id, stage) values (new.id, 'open'); return new; end $$;
    create trigger make_deal after insert on public.orders for each row execute function public.make_deal()`);
  await sql`insert into public.orders values (1), (2)`;
  await sql.unsafe('drop table public.orders; drop function public.make_deal()');
  await expectTitles('1 - → open', '2 - → open');
});

test('a truncate is no delete', async () => {
  const { sql } = db();
  await sql`insert into public.deals (id, stage) values (1, 'open')`;
  await sql`truncate public.deals`;
  await expectTitles('1 - → open');
});

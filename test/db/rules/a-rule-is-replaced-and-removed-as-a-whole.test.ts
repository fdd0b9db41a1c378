import { expect, test } from 'vitest';
import { refusalOf } from '../../support/refusal.ts';
import { readTitles, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

async function leftovers(): Promise<string[]> {
  const rows = await db().sql`
    select tgname as name from pg_trigger where tgname like 'push_rule%'
    union all
    select proname from pg_proc where pronamespace = 'push'::regnamespace and proname ~ '^rules?_.*_(insert|update|delete)$'
    order by 1`;
  return rows.map(({ name }) => name);
}

async function unwatch(name: string): Promise<boolean> {
  const [row] = await db().sql<{ removed: boolean }[]>`select push.unwatch(${name}) as removed`;
  return row?.removed as boolean;
}

const insert = () => db().sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;

test('declared again, the new text holds, once', async () => {
  const { sql } = db();
  await watch(sql, { title: `'old'` });
  await watch(sql, { title: `'new'` });
  await insert();
  expect(await readTitles(sql)).toEqual(['new']);
  expect([...(await sql`select title from push.rules`)]).toEqual([{ title: `'new'` }]);
});

test('events that are no longer named fire no longer', async () => {
  const { sql } = db();
  await watch(sql, {
    events: ['insert', 'update', 'delete'],
    recipients: 'coalesce(new.owner_id, old.owner_id)',
  });
  await watch(sql, { events: ['delete'], recipients: 'old.owner_id' });
  await insert();
  await sql`update public.deals set stage = 'x'`;
  expect(await readTitles(sql)).toEqual([]);
  expect(await leftovers()).toEqual([
    'push_rules_deals_delete',
    'rule_deal_rule_delete',
    'rules_deals_delete',
  ]);
});

test('on another table, the first one is watched no longer', async () => {
  const { sql } = db();
  await sql`create table public.contracts (id integer primary key, owner_id uuid)`;
  await watch(sql);
  await watch(sql, { table: 'public.contracts', title: `'contract'` });
  await insert();
  await sql`insert into public.contracts values (1, ${owner()})`;
  expect(await readTitles(sql)).toEqual(['contract']);
  await sql`drop table public.contracts`;
});

test('a replacement that is refused leaves the rule as it was', async () => {
  const { sql } = db();
  await watch(sql, { title: `'old'` });
  await refusalOf(watch(sql, { title: 'new.titel' }));
  await insert();
  expect(await readTitles(sql)).toEqual(['old']);
});

test('removed, it fires no longer and leaves nothing', async () => {
  const { sql } = db();
  await watch(sql, { events: ['insert', 'update', 'delete'] });
  expect(await unwatch('deal_rule')).toBe(true);
  await insert();
  expect(await readTitles(sql)).toEqual([]);
  expect(await leftovers()).toEqual([]);
  expect(await sql`select from push.rules`).toHaveLength(0);
});

test('removing what is not there is no error', async () => {
  expect(await unwatch('never_was')).toBe(false);
});

test('removing one rule leaves others whose names begin like it', async () => {
  const { sql } = db();
  for (const name of ['deal', 'deal_insert', 'deal_x', 'a_deal'])
    await watch(sql, { name, title: `'${name}'` });
  expect(await unwatch('deal')).toBe(true);
  await insert();
  expect(await readTitles(sql)).toEqual(['a_deal', 'deal_insert', 'deal_x']);
});

test('a name of 40 characters works', async () => {
  const { sql } = db();
  const name = 'x'.repeat(40);
  await watch(sql, { name, events: ['insert', 'update', 'delete'] });
  await insert();
  expect(await readTitles(sql)).toEqual(['Deal']);
  expect(await unwatch(name)).toBe(true);
  expect(await leftovers()).toEqual([]);
});

test('a rule of a table that was dropped can be removed, or declared for another', async () => {
  const { sql } = db();
  await sql`create table public.contracts (id integer primary key, owner_id uuid)`;
  await watch(sql, { name: 'first', table: 'public.contracts' });
  await watch(sql, { name: 'second', table: 'public.contracts' });
  await sql`drop table public.contracts`;
  expect(await unwatch('first')).toBe(true);
  await watch(sql, { name: 'second' });
  await insert();
  expect(await readTitles(sql)).toEqual(['Deal']);
});

test('no role may call the compiled functions', async () => {
  const { sql } = db();
  await watch(sql, { events: ['insert', 'update', 'delete'] });
  const rows = await sql`
    select p.proname, r.role from pg_proc p, unnest('{public,anon,authenticated,service_role}'::text[]) as r (role)
    where p.pronamespace = 'push'::regnamespace and p.proname ~ '^rules?_deal' and has_function_privilege(r.role, p.oid, 'execute')`;
  expect([...rows]).toEqual([]);
  const open = await sql`
    select proname from pg_proc where pronamespace = 'push'::regnamespace and proname ~ '^rules?_deal'
      and not proconfig @> array['search_path=""']`;
  expect([...open]).toEqual([]);
});

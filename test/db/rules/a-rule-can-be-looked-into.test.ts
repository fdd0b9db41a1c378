import { expect, test } from 'vitest';
import { refusalOf } from '../../support/refusal.ts';
import { readTitles, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

async function explain(name: string): Promise<string> {
  const [row] = await db().sql<{ text: string }[]>`select push.explain_rule(${name}) as text`;
  return row?.text as string;
}

test('explained, it shows its functions and triggers, with the expressions', async () => {
  const { sql } = db();
  await watch(sql, {
    name: 'deal_won',
    events: ['update', 'insert'],
    title: `'Won: ' || new.title`,
    columns: ['stage'],
  });
  const text = await explain('deal_won');
  expect(text).toMatch(/^-- Rule deal_won on public\.deals: intact\n/);
  expect(text.match(/'Won: ' \|\| new\.title/g)).toHaveLength(2);
  expect(text).toMatch(
    /CREATE OR REPLACE FUNCTION push\.rule_deal_won_update\(anyarray, anyarray\)[\s\S]*new\.stage is distinct from old\.stage/,
  );
  expect(text).toMatch(
    /CREATE OR REPLACE TRIGGER push_rules_deals_update AFTER UPDATE ON public\.deals REFERENCING/,
  );
  expect(text).toMatch(
    /CREATE OR REPLACE TRIGGER push_rules_deals_insert AFTER INSERT ON public\.deals REFERENCING/,
  );
});

test('what it shows is SQL that makes the same rule', async () => {
  const { sql } = db();
  await watch(sql, { events: ['insert', 'delete'] });
  const text = await explain('deal_rule');
  await sql`drop function push.rule_deal_rule_insert, push.rule_deal_rule_delete, push.rules_deals_insert, push.rules_deals_delete cascade`;
  await sql.unsafe(text).simple();
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  expect(await readTitles(sql)).toEqual(['Deal']);
  expect(await explain('deal_rule')).toBe(text);
});

test('why it is broken, and its last error', async () => {
  const { sql } = db();
  await watch(sql, { title: 'new.title' });
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()})`;
  expect(await explain('deal_rule')).toMatch(
    /: failing\n-- Last error \(.*\): A notification needs a title\.\n/,
  );
  await sql`alter table public.deals disable trigger user`;
  await sql`select push.check_rules()`;
  expect(await explain('deal_rule')).toMatch(
    /: broken\n-- Broken: its trigger on insert of .*deals is missing or disabled\n/,
  );
  await sql`alter table public.deals enable trigger user`;
});

test.each([
  'disable trigger user',
  'disable trigger push_rules_deals_insert',
  'enable replica trigger push_rules_deals_insert',
])('a rule whose trigger does not fire is not intact, even before any check has run: %s', async (change) => {
  const { sql } = db();
  await watch(sql, { events: ['insert', 'delete'] });
  const status = async () =>
    (await sql`select state, broken from push.rule_status where name = 'deal_rule'`)[0];
  expect(await status()).toEqual({ state: 'intact', broken: null });
  await sql.unsafe(`alter table public.deals ${change}`);
  expect(await status()).toMatchObject({
    state: 'broken',
    broken: expect.stringMatching(/^its trigger on .*insert of .*deals is missing or disabled$/),
  });
  expect(await explain('deal_rule')).toMatch(/: broken\n[\s\S]*-- This trigger is disabled\./);
  await sql`alter table public.deals enable trigger user`;
  expect(await status()).toEqual({ state: 'intact', broken: null });
});

test('a rule whose trigger or table is gone is not intact either', async () => {
  const { sql } = db();
  await sql`create table public.short_lived (id int primary key, owner_id uuid)`;
  await watch(sql, { name: 'short', table: 'public.short_lived' });
  await watch(sql);
  await sql`drop trigger push_rules_deals_insert on public.deals`;
  await sql`drop table public.short_lived`;
  const rows = await sql`select name, state, broken from push.rule_status order by name`;
  expect([...rows]).toEqual([
    { name: 'deal_rule', state: 'broken', broken: expect.stringContaining('missing') },
    { name: 'short', state: 'broken', broken: 'its table public.short_lived was dropped' },
  ]);
});

test('a rule that is not there is refused', async () => {
  expect(await refusalOf(explain('never_was'))).toMatchObject({ sqlstate: 'PT404', code: 'rule_unknown' });
});

test('the status lists every rule, with the errors of the last hour and the last of all', async () => {
  const { sql } = db();
  await watch(sql, { name: 'fine', events: ['delete'] });
  await watch(sql, { name: 'fails', title: 'new.title' });
  await watch(sql, { name: 'failed' });
  await sql`insert into public.deals (id, owner_id) values (1, ${owner()}), (2, ${owner()})`;
  await sql`
    insert into push.rule_errors (rule, event, row_key, sqlstate, message, occurred_at)
    values ('failed', 'insert', '{"id": 9}', '22012', 'long ago', now() - interval '61 minutes')`;
  const rows = await sql`
    select name, state, events, errors_last_hour::integer as errors, last_error, last_error_row
    from push.rule_status order by name`;
  expect([...rows]).toEqual([
    {
      name: 'failed',
      state: 'intact',
      events: ['insert'],
      errors: 0,
      last_error: 'long ago',
      last_error_row: { id: 9 },
    },
    {
      name: 'fails',
      state: 'failing',
      events: ['insert'],
      errors: 2,
      last_error: 'A notification needs a title.',
      last_error_row: { id: 2 },
    },
    { name: 'fine', state: 'intact', events: ['delete'], errors: 0, last_error: null, last_error_row: null },
  ]);
});

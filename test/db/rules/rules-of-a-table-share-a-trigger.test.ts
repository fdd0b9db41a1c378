import { afterEach, expect, test } from 'vitest';
import { readFailedRows, readRuleErrors, readTitles, watch } from '../../support/rules.ts';
import { withSessions } from '../../support/sessions.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();
afterEach(() => db().sql`select push.unwatch(name) from push.rules`);

const insert = (...stages: string[]) =>
  db().sql`
    insert into public.deals (id, owner_id, stage, amount)
    select place, ${owner()}, stage, 0 from unnest(${stages}::text[]) with ordinality as s (stage, place)`;

/** More rules than one statement looks at, each for a stage of its own. */
async function watchStages(count: number, more: Parameters<typeof watch>[1] = {}): Promise<void> {
  for (let stage = 1; stage <= count; stage += 1) {
    await watch(db().sql, {
      name: `stage_${stage}`,
      title: `'${stage}: ' || new.id`,
      condition: `new.stage = 's${stage}'`,
      ...more,
    });
  }
}

test('sixty rules are one trigger, and those that are concerned tell once for each of their rows', async () => {
  const { sql } = db();
  await watchStages(60);
  await watch(sql, { name: 'every', title: `'every: ' || new.id` });
  const triggers = await sql`
    select tgname from pg_trigger where tgrelid = 'public.deals'::regclass and not tgisinternal`;
  expect([...triggers]).toEqual([{ tgname: 'push_rules_deals_insert' }]);
  await insert('s7', 's60', 's7', 'none');
  expect(await readTitles(sql)).toEqual([
    '60: 2',
    '7: 1',
    '7: 3',
    'every: 1',
    'every: 2',
    'every: 3',
    'every: 4',
  ]);
  expect(await readRuleErrors(sql)).toEqual([]);
});

test('a session plans the rules that concerned it, and no others', async () => {
  const { url } = db();
  await watchStages(20);
  await withSessions(url, 1, async ({ sql }) => {
    const called = async () => {
      // What plpgsql has compiled has a memory context of its own, by the name of the function.
      const rows = await sql<{ name: string }[]>`
        select ident as name from pg_backend_memory_contexts where name = 'PL/pgSQL function' and ident like 'push.rule\\_stage\\_%' order by 1`;
      return rows.map(({ name }) => name);
    };
    await sql`insert into public.deals (id, owner_id, stage) values (1, ${owner()}, 's3')`;
    expect(await called()).toEqual(['push.rule_stage_3_insert(anyarray,anyarray)']);
  });
});

test('rules that watch different columns are told apart', async () => {
  const { sql } = db();
  await watch(sql, { name: 'of_amount', title: `'amount'`, events: ['update'], columns: ['amount'] });
  await watch(sql, { name: 'of_stage', title: `'stage'`, events: ['update'], columns: ['stage'] });
  await watch(sql, {
    name: 'of_won',
    title: `'won'`,
    events: ['update'],
    columns: ['stage'],
    condition: `rule.changes -> 'stage' ->> 'new' = 'won'`,
  });
  await insert('open');
  await sql`update public.deals set amount = 5`;
  expect(await readTitles(sql)).toEqual(['amount']);
  await sql`update public.deals set stage = 'lost'`;
  expect(await readTitles(sql)).toEqual(['amount', 'stage']);
  await sql`update public.deals set stage = 'won', amount = 6`;
  expect(await readTitles(sql)).toEqual(['amount', 'amount', 'stage', 'stage', 'won']);
});

test('more rows than are handed over at once are told of by one statement for each rule', async () => {
  const { sql } = db();
  await watchStages(2);
  await watch(sql, { name: 'fails', title: `'x' || 1 / new.amount`, condition: `new.stage = 's1'` });
  await insert(...Array.from({ length: 1500 }, (_, place) => (place % 500 === 0 ? 's1' : 's2')));
  const titles = await readTitles(sql);
  expect(titles).toHaveLength(1500);
  expect(titles.filter((title) => title.startsWith('1:'))).toEqual(['1: 1', '1: 1001', '1: 501']);
  expect((await readFailedRows(sql)).map(({ row_key }) => row_key)).toEqual([
    { id: 1 },
    { id: 501 },
    { id: 1001 },
  ]);
});

test('a condition that fails for a row costs the other rules nothing', async () => {
  const { sql } = db();
  await watchStages(12);
  await watch(sql, { name: 'divides', title: `'divides'`, condition: '1 / new.amount > 0' });
  await insert('s5', 's12');
  expect(await readTitles(sql)).toEqual(['12: 2', '5: 1']);
  expect(await readFailedRows(sql)).toMatchObject([
    { row_key: { id: 1 }, sqlstate: '22012' },
    { row_key: { id: 2 }, sqlstate: '22012' },
  ]);
});

test('tables of one name in two schemas have a trigger function each', async () => {
  const { sql } = db();
  await sql.unsafe('create schema sales; create table sales.deals (like public.deals including all)');
  await watch(sql, { name: 'here', title: `'here'` });
  await watch(sql, { name: 'there', table: 'sales.deals', title: `'there'` });
  await sql`insert into sales.deals (id, owner_id) values (1, ${owner()})`;
  expect(await readTitles(sql)).toEqual(['there']);
  await sql.unsafe('drop schema sales cascade');
  expect(await sql`select push.unwatch('there') as removed`).toEqual([{ removed: true }]);
  const functions = await sql`
    select proname from pg_proc where pronamespace = 'push'::regnamespace and proname ~ '^rules_' order by 1`;
  expect([...functions]).toEqual([{ proname: 'rules_deals_insert' }]);
});

test('what was looked at is looked at again when the catalog has changed, and not before', async () => {
  const { sql } = db();
  await watch(sql);
  /** Whether a check reads the table: only what is tried over no rows locks it. */
  const looks = () =>
    sql.begin(async (transaction) => {
      await transaction`select push.check_rules()`;
      const locked = await transaction`
        select from pg_locks where pid = pg_backend_pid() and relation = 'public.deals'::regclass`;
      return locked.length > 0;
    });
  expect(await looks()).toBe(true);
  await looks();
  expect(await looks()).toBe(false);
  await sql`truncate public.deals`;
  expect(await looks()).toBe(false);
  await sql`create table public.others (id integer)`;
  expect(await looks()).toBe(true);
  expect(await looks()).toBe(false);
  await sql`drop table public.others`;
  await sql.begin(async (transaction) => {
    await transaction`select push.recompile()`;
    expect(
      await transaction`select from pg_locks where pid = pg_backend_pid() and relation = 'public.deals'::regclass`,
    ).not.toEqual([]);
  });
});

test('two transactions that declare rules on one table lose neither', async () => {
  const { sql, url } = db();
  await watch(sql, { name: 'first', title: `'first'` });
  await withSessions(url, 2, async (one, other) => {
    await one.sql`begin`;
    await watch(one.sql, { name: 'second', title: `'second'` });
    const waiting = watch(other.sql, { name: 'third', title: `'third'` });
    await one.sql`commit`;
    await waiting;
  });
  await insert('open');
  expect(await readTitles(sql)).toEqual(['first', 'second', 'third']);
});

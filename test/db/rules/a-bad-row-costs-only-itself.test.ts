import { afterEach, expect, test } from 'vitest';
import { readAlarms, readFailedRows, readTitles, watch } from '../../support/rules.ts';
import { useDeals } from '../../support/use-deals.ts';

const { db, owner } = useDeals();

afterEach(() => db().sql.unsafe('drop table if exists public.seats, public.lines'));

/** Deals 1 to `count`; what `amount` is of each decides which of them a division by it breaks. */
async function insertDeals(count: number, amount: string): Promise<void> {
  const { sql } = db();
  await sql.unsafe(`
    insert into public.deals (id, owner_id, stage, amount)
    select i, '${owner()}', 'open', ${amount} from generate_series(1, ${count}) as i`);
}

const DIVIDES = `lpad(coalesce(new.id, old.id)::text, 5, '0') || left((1 / coalesce(new.amount, old.amount))::text, 0)`;

test.each<[string, Parameters<typeof watch>[1]]>([
  ['in the title', { title: DIVIDES }],
  ['in the condition', { title: 'new.id::text', condition: '1 / new.amount > 0' }],
  [
    'in the recipients',
    { title: 'new.id::text', recipients: 'case when 1 / new.amount > 0 then new.owner_id end' },
  ],
  ['in the params', { title: 'new.id::text', params: `jsonb_build_object('x', 1 / new.amount)` }],
])('an error %s', async (_where, rule) => {
  const { sql } = db();
  await watch(sql, rule);
  await insertDeals(5, 'case when i = 3 then 0 else 1 end');
  expect((await readTitles(sql)).map(Number)).toEqual([1, 2, 4, 5]);
  expect(await readFailedRows(sql)).toEqual([
    { row_key: { id: 3 }, row_count: '1', sqlstate: '22012', message: 'division by zero' },
  ]);
  expect(await sql`select from public.deals`).toHaveLength(5);
});

test('a message that is refused', async () => {
  const { sql } = db();
  await watch(sql, { title: 'new.stage' });
  await sql`
    insert into public.deals (id, owner_id, stage)
    values (1, ${owner()}, 'one'), (2, ${owner()}, ' '), (3, ${owner()}, 'three')`;
  expect(await readTitles(sql)).toEqual(['one', 'three']);
  expect(await readFailedRows(sql)).toMatchObject([{ row_key: { id: 2 }, sqlstate: 'PT400' }]);
});

test.each([
  ['update', `update public.deals set stage = 'won'`],
  ['delete', 'delete from public.deals'],
])('on %s', async (event, statement) => {
  const { sql } = db();
  await insertDeals(4, 'case when i = 2 then 0 else 1 end');
  await watch(sql, { events: [event], title: DIVIDES, recipients: 'coalesce(new.owner_id, old.owner_id)' });
  await sql.unsafe(statement);
  expect((await readTitles(sql)).map(Number)).toEqual([1, 3, 4]);
  expect(await readFailedRows(sql)).toMatchObject([{ row_key: { id: 2 }, row_count: '1' }]);
});

test('of an update, rows that did not change are not tried', async () => {
  const { sql } = db();
  await insertDeals(4, 'case when i in (2, 3) then 0 else 1 end');
  await watch(sql, { events: ['update'], columns: ['stage'], title: DIVIDES });
  await sql`update public.deals set stage = case when id = 3 then stage else 'won' end`;
  expect((await readTitles(sql)).map(Number)).toEqual([1, 4]);
  expect(await readFailedRows(sql)).toMatchObject([{ row_key: { id: 2 } }]);
});

test('among thousands', async () => {
  const { sql } = db();
  await watch(sql, { title: DIVIDES });
  await insertDeals(3500, 'case when i in (1, 1000, 1001, 2345, 3500) then 0 else 1 end');
  expect(await readTitles(sql)).toHaveLength(3495);
  expect((await readFailedRows(sql)).map(({ row_key }) => row_key)).toEqual(
    [1, 1000, 1001, 2345, 3500].map((id) => ({ id })),
  );
});

test('after two hundred bad rows the rest is given up, and says how many', async () => {
  const { sql } = db();
  await watch(sql, { title: DIVIDES });
  await insertDeals(1500, 'case when i > 100 then 0 else 1 end');
  expect(await readTitles(sql)).toHaveLength(100);
  const failed = await readFailedRows(sql);
  expect(failed).toHaveLength(201);
  expect(failed.at(-1)).toEqual({
    row_key: null,
    row_count: '1200',
    sqlstate: '54000',
    message: '1200 more rows were not tried',
  });
  expect(await sql`select from public.deals`).toHaveLength(1500);
});

test('what fails for every row alike is noted once, with their number', async () => {
  const { sql } = db();
  await sql.unsafe(
    `create function public.title_of(p_id integer) returns text language sql as $$ select p_id::text $$`,
  );
  await watch(sql, { title: 'public.title_of(new.id)' });
  await sql`drop function public.title_of`;
  await insertDeals(50, '1');
  expect(await readFailedRows(sql)).toEqual([
    { row_key: null, row_count: '50', sqlstate: '42883', message: expect.stringContaining('title_of') },
  ]);
  expect(await sql`select from public.deals`).toHaveLength(50);
});

test('the key of several columns, in names that need quotes', async () => {
  const { sql } = db();
  await sql`create table public.seats ("Row" text, seat integer, owner_id uuid, price integer, primary key (seat, "Row"))`;
  await watch(sql, { table: 'public.seats', title: `new.seat || left((1 / new.price)::text, 0)` });
  await sql`insert into public.seats values ('A', 1, ${owner()}, 0), ('A', 2, ${owner()}, 5)`;
  expect(await readTitles(sql)).toEqual(['2']);
  expect(await readFailedRows(sql)).toMatchObject([{ row_key: { Row: 'A', seat: 1 } }]);
});

test('a table without a key: the others are told, and the bad one has none to be named by', async () => {
  const { sql } = db();
  await sql`create table public.lines (owner_id uuid, price integer)`;
  await watch(sql, { table: 'public.lines', title: `'x' || (1 / new.price)` });
  await sql`insert into public.lines values (${owner()}, 0), (${owner()}, 1)`;
  expect(await readTitles(sql)).toEqual(['x1']);
  expect(await readFailedRows(sql)).toMatchObject([{ row_key: null, row_count: '1' }]);
});

test('a table that once had more columns', async () => {
  const { sql } = db();
  await sql`create table public.seats (gone text, id integer primary key, owner_id uuid, price integer)`;
  await sql`alter table public.seats drop column gone`;
  await watch(sql, {
    table: 'public.seats',
    events: ['insert', 'update'],
    title: `new.id || left((1 / new.price)::text, 0)`,
  });
  await sql`insert into public.seats values (1, ${owner()}, 0), (2, ${owner()}, 5)`;
  await sql`update public.seats set owner_id = owner_id`;
  expect(await readTitles(sql)).toEqual(['2', '2']);
  expect(await readFailedRows(sql)).toMatchObject([{ row_key: { id: 1 } }, { row_key: { id: 1 } }]);
});

test('an alarm names the rule and the error, and goes an hour after the last one', async () => {
  const { sql } = db();
  await watch(sql, { name: 'divides', title: DIVIDES });
  await insertDeals(1, '0');
  expect(await readAlarms(sql)).toEqual([
    {
      code: 'rule_failed',
      subject: 'divides',
      message: expect.stringMatching(/divides.*insert.*division by zero/),
    },
  ]);
  await sql`select push.check_rules(clock_timestamp() + interval '59 minutes')`;
  expect(await readAlarms(sql)).toHaveLength(1);
  await sql`select push.check_rules(clock_timestamp() + interval '61 minutes')`;
  expect(await readAlarms(sql)).toEqual([]);
});

test('declared anew, the rule has no alarm', async () => {
  const { sql } = db();
  await watch(sql, { title: DIVIDES });
  await insertDeals(1, '0');
  await watch(sql, { title: 'new.id::text' });
  expect(await readAlarms(sql)).toEqual([]);
});

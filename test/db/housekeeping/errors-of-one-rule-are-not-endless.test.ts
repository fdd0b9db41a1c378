import { expect, test } from 'vitest';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();

test('of each rule and reminder the newest errors are kept, however many there are', async () => {
  const { sql } = db();
  await sql`create table public.deals (id integer primary key, owner uuid)`;
  for (const name of ['deals_made', 'deals_lost'])
    await sql`select push.watch(${name}, 'public.deals', 'new.owner', '''Deal''')`;
  await sql`select push.remind('deal', 'public.deals', 'now()', '{-1 hour}', 'new.owner', '''Deal''')`;
  const fill = (rule: string, count: number) => sql`
    insert into push.rule_errors (rule, event, sqlstate, message, occurred_at)
    select ${rule}, 'insert', '00000', n::text, now() - interval '1 hour' + n * interval '1 second'
    from generate_series(1, ${count}::int) as n`;
  await fill('deals_made', 40);
  await fill('deals_lost', 7);
  await sql`
    insert into push.reminder_errors (reminder, sqlstate, message, occurred_at)
    select 'deal', '00000', n::text, now() - interval '1 hour' + n * interval '1 second' from generate_series(1, 40) as n`;

  const trim = async (limit: number) => (await sql`select * from push.trim_errors(10, ${limit})`)[0];
  expect(await trim(20)).toEqual({ rule_errors: '20', reminder_errors: '20' });
  expect(await trim(20)).toEqual({ rule_errors: '10', reminder_errors: '10' });
  expect(await trim(20)).toEqual({ rule_errors: '0', reminder_errors: '0' });
  const kept = await sql`
    select rule, count(*)::int as count, min(message::int) as oldest from push.rule_errors group by rule order by rule`;
  expect([...kept]).toEqual([
    { rule: 'deals_lost', count: 7, oldest: 1 },
    { rule: 'deals_made', count: 10, oldest: 31 },
  ]);
});

test('ten thousand are kept by the housekeeping of each minute', async () => {
  const { sql } = db();
  await sql`
    insert into push.rule_errors (rule, event, sqlstate, message)
    select 'deals_made', 'insert', '00000', '' from generate_series(1, 12000) as n`;
  const [row] = await sql`select push.clean() as counts`;
  expect(row?.counts).toMatchObject({ rule_errors: 2010 });
});

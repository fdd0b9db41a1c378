import { randomUUID } from 'node:crypto';
import type postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeAlert } from '../../support/alerts.ts';
import { migrate } from '../../support/next-release.ts';
import { createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';
import { claim, complete, notify, plus, queueOne, startOfClock } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { prepareRows, ROWS, type RowOf } from '../access/table-rows.ts';

let database: TestDatabase;
let sql: postgres.Sql;
beforeEach(async () => {
  database = await createTestDatabase();
  sql = database.sql;
});
afterEach(() => database.drop());

/** Every row of every table of ours as JSON, by table; without the column that 0.2.0 adds. */
async function readRows(): Promise<Record<string, unknown[]>> {
  const tables = await sql<{ name: string }[]>`
    select n.nspname || '.' || c.relname as name from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and (n.nspname = 'push' or n.nspname = 'public' and c.relname like 'push\\_%') order by 1`;
  const rows: Record<string, unknown[]> = {};
  for (const { name } of tables) {
    rows[name] = (
      await sql.unsafe(`select to_jsonb(t) - 'origin' as value from ${name} as t order by to_jsonb(t)::text`)
    ).map(({ value }) => value as unknown);
  }
  return rows;
}

/** The triggers on tables, the jobs and who may call what. */
async function readCatalog() {
  return {
    triggers: await sql`
      select tgname, tgrelid::regclass::text, tgenabled, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal order by 1, 2`,
    jobs: await sql`select jobname, schedule, command, active from cron.job order by jobname`,
  };
}

const readAlarms = async () =>
  (await sql`select code, subject from push.alarms where resolved_at is null order by 1, 2`).map(
    ({ code, subject }) => `${code} ${subject}`,
  );

const generated = async () =>
  (
    await sql<{ proname: string; of: boolean }[]>`
      select proname, prosrc like '%Of 0.2.0.%' as of from pg_proc
      where pronamespace = 'push'::regnamespace and prorettype = 'trigger'::regtype and proname ~ '^(rule|reminder)_' order by 1`
  ).map(({ proname, of }) => `${proname} ${of ? '0.2.0' : '0.1.0'}`);

test('rows of every table are what they were, and so are triggers and jobs', async () => {
  await prepareRows(sql);
  const made = await queueOne(sql);
  await makeAlert(sql, {}, made.userId);
  for (const [table, rows] of Object.entries(await readRows())) {
    const { before, row } = ROWS[table] as RowOf;
    if (rows.length > 0) continue;
    await before?.(sql, made);
    await sql`insert into ${sql(table)} ${sql(row(made.userId, made) as never)}`;
  }
  const before = await readRows();
  const catalog = await readCatalog();
  expect(
    Object.entries(before)
      .filter(([, rows]) => rows.length === 0)
      .map(([name]) => name),
  ).toEqual([]);
  await migrate(sql);
  expect(await readRows()).toEqual(before);
  expect(await readCatalog()).toEqual(catalog);
  expect(await sql`select distinct origin from push.queue`).toEqual([{ origin: 'unknown' }]);
});

test('what is under way, due and scheduled is sent once, each at its time', async () => {
  // Later than all that is made below, however slow the machine is.
  const now = plus(startOfClock(), 600);
  const users = await Promise.all(Array.from({ length: 3 }, () => createUser(sql)));
  for (const { id } of users) await subscribe(sql, id);
  const [claimed, lost, scheduled] = users.map(({ id }) => id) as [string, string, string];
  await notify(sql, claimed, { title: 'under way' });
  const underWay = await claim(sql, now);
  await notify(sql, lost, { title: 'of a dispatcher that died' });
  await claim(sql, now, { dispatcher: randomUUID() });
  await notify(sql, scheduled, { title: 'scheduled', sendAt: plus(now, 3600) });
  await notify(sql, scheduled, { title: 'due' });

  await migrate(sql);

  const due = await claim(sql, plus(now, 1));
  expect(due.map(({ title }) => title)).toEqual(['due']);
  const outcomes = await complete(
    sql,
    plus(now, 2),
    [...underWay, ...due].map((one) => ({ ...one, outcome: 'sent', status: 201 })),
  );
  expect(outcomes).toMatchObject({ recorded: 2 });
  // A report that comes again, as one does whose answer got lost.
  expect(
    await complete(
      sql,
      plus(now, 2),
      underWay.map((one) => ({ ...one, outcome: 'sent', status: 201 })),
    ),
  ).toMatchObject({ recorded: 0 });
  await sql`select push.recover_leases(${plus(now, 120)})`;
  expect((await claim(sql, plus(now, 200))).map(({ title }) => title)).toEqual(['of a dispatcher that died']);
  await sql`select push.enqueue_due_notifications(100, ${plus(now, 3601)})`;
  expect((await claim(sql, plus(now, 3601))).map(({ title }) => title)).toEqual(['scheduled']);
});

test('rules and reminders are compiled anew, and tell as before', async () => {
  const { id } = await createUser(sql);
  await sql`create table public.deals (id integer primary key, owner uuid, at timestamptz)`;
  await sql`select push.watch('made', 'public.deals', 'new.owner', '''Made''')`;
  await sql`select push.remind('soon', 'public.deals', 'new.at', '{1 hour}', 'new.owner', '''Soon''')`;
  await sql`insert into public.deals values (1, ${id}, now() + interval '2 hours')`;
  expect((await generated()).every((one) => one.endsWith('0.1.0'))).toBe(true);

  await migrate(sql);

  expect(await generated()).toEqual([
    'reminder_soon_delete 0.2.0',
    'reminder_soon_insert 0.2.0',
    'reminder_soon_truncate 0.2.0',
    'reminder_soon_update 0.2.0',
    'rule_made_insert 0.2.0',
  ]);
  await sql`insert into public.deals values (2, ${id}, now() + interval '2 hours')`;
  await sql`select push.send_reminders(10, now() + interval '61 minutes')`;
  expect(await sql`select title, count(*)::int from public.push_notifications group by title order by title`)
    // The first deal was told of before, and both are reminded of.
    .toEqual([
      { title: 'Made', count: 2 },
      { title: 'Soon', count: 2 },
    ]);
});

test('what no longer compiles keeps the function it has, with an alarm, and stops no upgrade', async () => {
  const { id } = await createUser(sql);
  await sql`create table public.deals (id integer primary key, owner uuid, at timestamptz, note text)`;
  await sql`select push.watch('made', 'public.deals', 'new.owner', 'new.note')`;
  await sql`select push.watch('fine', 'public.deals', 'new.owner', '''Fine''')`;
  await sql`select push.remind('soon', 'public.deals', 'new.at', '{1 hour}', 'new.owner', 'new.note')`;
  const before = await generated();
  await sql`alter table public.deals rename column note to remark`;

  await migrate(sql);

  expect(await generated()).toEqual(
    before.map((one) => (one.startsWith('rule_fine') ? 'rule_fine_insert 0.2.0' : one)),
  );
  expect(await readAlarms()).toEqual(['reminder_broken soon', 'rule_broken made']);
  expect(await sql`select push.recompile() as kept`).toEqual([{ kept: ['reminder soon', 'rule made'] }]);
  // The column is back: the minute's check makes the functions, and nothing has to be declared again.
  await sql`alter table public.deals rename column remark to note`;
  expect(await sql`select push.recompile() as kept`).toEqual([{ kept: [] }]);
  expect((await generated()).every((one) => one.endsWith('0.2.0'))).toBe(true);
  await sql`insert into public.deals values (1, ${id}, now(), 'Note')`;
  expect(await sql`select title from public.push_notifications order by title`).toEqual([
    { title: 'Fine' },
    { title: 'Note' },
  ]);
});

test('a table of the app that is locked delays no upgrade: its rules follow', async () => {
  await sql`create table public.deals (id integer primary key, owner uuid)`;
  await sql`select push.watch('made', 'public.deals', 'new.owner', '''Made''')`;
  await sql.begin(async (other) => {
    await other`lock table public.deals in access exclusive mode`;
    await migrate(sql);
    expect(await generated()).toEqual(['rule_made_insert 0.1.0']);
  });
  expect(await readAlarms()).toEqual([]);
  await sql`select push.clean()`;
  expect(await generated()).toEqual(['rule_made_insert 0.2.0']);
});

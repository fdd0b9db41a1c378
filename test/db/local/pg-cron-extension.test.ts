import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { asAnon, asService, asUser, createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const USER = '00000000-0000-4000-8000-000000000001';
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrations: false });
  await database.sql`create extension if not exists pg_cron with schema pg_catalog`;
});
beforeEach(async () => {
  await database.sql`select cron.unschedule(jobid) from cron.job`;
});
afterAll(() => database.drop());

const jobs = () => database.sql`select jobname, schedule, command, username, database, active from cron.job`;

test('scheduling a name again changes the job and keeps its id', async () => {
  const [first] = await database.sql`select cron.schedule('tick', '5 seconds', 'select 1') as id`;
  await database.sql`select cron.alter_job(${first?.id}, active := false)`;
  const [second] = await database.sql`select cron.schedule('tick', '* * * * *', 'select 2') as id`;
  expect(second?.id).toBe(first?.id);
  expect(await jobs()).toEqual([
    {
      jobname: 'tick',
      schedule: '* * * * *',
      command: 'select 2',
      username: 'postgres',
      database: database.name,
      active: false,
    },
  ]);
});

test('jobs without a name are separate jobs', async () => {
  await database.sql`select cron.schedule('5 seconds', 'select 1'), cron.schedule('5 seconds', 'select 1')`;
  expect(await jobs()).toHaveLength(2);
});

test('a job is unscheduled by its name or its id', async () => {
  const [row] = await database.sql`select cron.schedule('a', '5 seconds', 'select 1') as id`;
  await database.sql`select cron.schedule('b', '5 seconds', 'select 1')`;
  expect(await database.sql`select cron.unschedule(${row?.id}::bigint) as done`).toEqual([{ done: true }]);
  expect(await database.sql`select cron.unschedule('b') as done`).toEqual([{ done: true }]);
  expect(await jobs()).toEqual([]);
});

test.each([
  [`select cron.unschedule('missing')`, "could not find valid entry for job 'missing'"],
  ['select cron.unschedule(987654)', 'could not find valid entry for job 987654'],
  ['select cron.alter_job(987654, active := true)', "Job 987654 does not exist or you don't own it"],
  ['select cron.alter_job(1)', 'no updates specified'],
  [`select cron.alter_job(1, username := 'anon')`, 'must be superuser to alter username'],
  [`select cron.schedule(null, '5 seconds', 'select 1')`, 'job_name can not be NULL'],
  [`select cron.schedule('x', null, 'select 1')`, 'schedule can not be NULL'],
  [`select cron.schedule('x', '5 seconds', null)`, 'command can not be NULL'],
])('%s raises', async (statement, message) => {
  await expect(database.sql.unsafe(statement)).rejects.toMatchObject({ code: 'XX000', message });
});

test('a job that is altered takes the new schedule, command and activity', async () => {
  const [row] = await database.sql`select cron.schedule('a', '5 seconds', 'select 1') as id`;
  await database.sql`select cron.alter_job(${row?.id}, schedule := '1 2 * * *', command := 'select 3', active := false)`;
  expect(await jobs()).toMatchObject([{ schedule: '1 2 * * *', command: 'select 3', active: false }]);
  await expect(database.sql`select cron.alter_job(${row?.id}, schedule := 'often')`).rejects.toMatchObject({
    code: '22023',
  });
});

test.each([
  `insert into cron.job (schedule, command) values ('* * * * *', 'select 1')`,
  `update cron.job set username = 'supabase_admin'`,
  'delete from cron.job',
  'create index on cron.job_run_details (start_time)',
  'create table cron.own (id int)',
  `create trigger own before update on cron.job_run_details
    for each row execute function suppress_redundant_updates_trigger()`,
])('postgres may not: %s', async (statement) => {
  await expect(database.sql.unsafe(statement)).rejects.toMatchObject({ code: '42501' });
});

test('a refused schedule is answered with the spellings that there are', async () => {
  await expect(database.sql`select cron.schedule('often', 'select 1')`).rejects.toMatchObject({
    code: '22023',
    message: 'invalid schedule: often',
    hint: "Use cron format (e.g. 5 4 * * *), or interval format '[1-59] seconds'",
  });
});

test('postgres may read the jobs and write and purge the run details', async () => {
  await database.sql`insert into cron.job_run_details (jobid, runid, username) values (1, -1, 'postgres')`;
  await database.sql`update cron.job_run_details set status = 'failed' where runid = -1`;
  expect((await database.sql`delete from cron.job_run_details where runid = -1`).count).toBe(1);
});

test.each([
  ['anon', asAnon],
  ['authenticated', (sql: TestDatabase['sql'], fn: Parameters<typeof asAnon>[1]) => asUser(sql, USER, fn)],
  ['service_role', asService],
])('%s reaches nothing of cron', async (_, as) => {
  for (const statement of [
    'select * from cron.job',
    'select * from cron.job_run_details',
    `select cron.schedule('x', '5 seconds', 'select 1')`,
    `select cron.unschedule('x')`,
  ]) {
    await expect(as(database.sql, (sql) => sql.unsafe(statement))).rejects.toMatchObject({ code: '42501' });
  }
});

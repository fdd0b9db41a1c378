import postgres from 'postgres';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startPgCronWorker } from '../../../tools/local/workers/pg-cron-worker.ts';
import type { Worker } from '../../../tools/local/workers/worker-session.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { ManualClock } from './manual-clock.ts';

const BOUND = { timeout: 15_000, interval: 5 };
const LOCK = 42;
let database: TestDatabase;
let sql: postgres.Sql;
let clock: ManualClock;
let worker: Worker;

beforeEach(async () => {
  database = await createTestDatabase({ migrations: false });
  sql = database.sql;
  await sql.unsafe(`
    create extension pg_cron;
    create table public.log (id bigserial primary key, entry text);
    create function public.block() returns void language sql
    as 'select pg_advisory_lock_shared(${LOCK}); select pg_advisory_unlock_shared(${LOCK}); insert into public.log (entry) values (''ran'')';
  `);
  clock = new ManualClock('2026-01-01T00:00:30Z');
  worker = await startPgCronWorker({ databaseUrl: database.superuserUrl, clock });
  await vi.waitFor(() => expect(clock.pending).toHaveLength(1), BOUND);
});

afterEach(async () => {
  await worker.stop();
  await database.drop();
});

/** Resolves when the worker, idle so far, has read the jobs after the change. */
async function change(make: () => Promise<unknown>): Promise<void> {
  // A look that a passing of the clock began would count as one after the change.
  await vi.waitFor(() => expect(clock.pending).toHaveLength(1), BOUND);
  const [before] = await sql`select clock_timestamp()::text as time`;
  await make();
  await vi.waitFor(async () => {
    const [scheduler] = await sql`
      select state, query, query_start > ${before?.time}::timestamptz as is_new from pg_stat_activity
      where application_name = 'pg_cron scheduler' and datname = current_database()
    `;
    expect(scheduler).toMatchObject({
      state: 'idle',
      query: expect.stringContaining('from cron.job order by'),
      is_new: true,
    });
  }, BOUND);
}

const schedule = (name: string, when: string, command: string) =>
  change(() => sql`select cron.schedule(${name}, ${when}, ${command})`);

interface Run extends postgres.Row {
  status: string;
  return_message: string;
}

const runs = () => sql<Run[]>`select * from cron.job_run_details order by runid`;

/** The recorded runs once there are so many of this status. */
const runsBecome = (status: string, count: number) =>
  vi.waitFor(async () => {
    const rows = (await runs()).filter((row) => row.status === status);
    expect(rows).toHaveLength(count);
    return rows;
  }, BOUND);

/** Holds up every job that calls public.block() until released. */
async function holdJobs(): Promise<() => Promise<void>> {
  const holder = postgres(database.url, { max: 1 });
  await holder`select pg_advisory_lock(${LOCK})`;
  return async () => {
    await holder`select pg_advisory_unlock(${LOCK})`;
    await holder.end();
  };
}

const starts = async () => (await runs()).map((row) => row.start_time.toISOString().slice(11, 19));

test('a @reboot schedule runs once for each start of the launcher, and not when it is made', async () => {
  await schedule('reboot', '@reboot', 'select 1');
  await clock.pass(60_000);
  expect(await runs()).toHaveLength(0);
  await worker.stop();
  worker = await startPgCronWorker({ databaseUrl: database.superuserUrl, clock });
  await runsBecome('succeeded', 1);
  await clock.pass(60_000);
  expect(await runs()).toHaveLength(1);
});

test('a seconds schedule runs for the first time after its interval, then once per interval', async () => {
  await schedule('often', '5 seconds', 'select 1');
  await clock.pass(4999);
  expect(await runs()).toHaveLength(0);
  await clock.pass(1);
  await runsBecome('succeeded', 1);
  await clock.pass(5000);
  await runsBecome('succeeded', 2);
  expect(await starts()).toEqual(['00:00:35', '00:00:40']);
});

test('a cron schedule runs in the minutes it names, by UTC', async () => {
  await schedule('odd', '1,3 0 1 1 *', 'select 1');
  await clock.pass(29_999);
  expect(await runs()).toHaveLength(0);
  await clock.pass(1);
  await runsBecome('succeeded', 1);
  await clock.pass(60_000);
  await clock.pass(60_000);
  await runsBecome('succeeded', 2);
  expect(await starts()).toEqual(['00:01:00', '00:03:00']);
});

test('a run is recorded from start to end, with the message of its last command', async () => {
  await schedule(
    'one',
    '1 seconds',
    "insert into public.log (entry) values ('a'), ('b'); select 7 union select 8",
  );
  await schedule('two', '1 seconds', 'update public.log set entry = entry');
  await schedule('three', '1 seconds', 'create table if not exists public.made ()');
  await schedule('four', '1 seconds', "insert into public.log (entry) values ('c')");
  const jobs = await sql`select jobid, jobname, command from cron.job`;
  await clock.pass(1000);
  const rows = await runsBecome('succeeded', 4);
  const messages = Object.fromEntries(
    jobs.map(({ jobid, jobname }) => [jobname, rows.find((row) => row.jobid === jobid)?.return_message]),
  );
  expect(messages).toMatchObject({ one: '2 rows', three: 'CREATE TABLE', four: 'INSERT 0 1' });
  expect(messages.two).toMatch(/^UPDATE \d+$/);
  expect(rows[0]).toMatchObject({
    database: database.name,
    username: 'postgres',
    job_pid: expect.any(Number),
  });
  expect(rows[0]?.start_time.toISOString()).toBe('2026-01-01T00:00:31.000Z');
  expect(rows[0]?.end_time.toISOString()).toBe('2026-01-01T00:00:31.000Z');
});

test('a failing run is recorded with its error, leaves nothing, and runs again the next time', async () => {
  await schedule('bad', '1 seconds', "insert into public.log (entry) values ('x'); select 1/0");
  await clock.pass(1000);
  const [failed] = await runsBecome('failed', 1);
  expect(failed?.return_message).toMatch(/^ERROR: {2}division by zero/);
  expect(await sql`select from public.log`).toHaveLength(0);
  await clock.pass(1000);
  await runsBecome('failed', 2);
});

test('a job runs as its user with the settings of that role', async () => {
  await schedule(
    'who',
    '1 seconds',
    "insert into log (entry) select concat_ws(' ', current_user, session_user, current_setting('search_path'))",
  );
  await clock.pass(1000);
  await runsBecome('succeeded', 1);
  const [row] = await sql`select entry from public.log`;
  expect(row?.entry).toBe('postgres postgres "$user", public, extensions');
});

test('a job may not do what its user may not', async () => {
  await schedule('greedy', '1 seconds', 'delete from cron.job');
  await clock.pass(1000);
  const [failed] = await runsBecome('failed', 1);
  expect(failed?.return_message).toContain('permission denied for table job');
});

test('a seconds job never overlaps itself and makes up for one missed run only', async () => {
  const release = await holdJobs();
  await schedule('slow', '2 seconds', 'select public.block()');
  await clock.pass(2000);
  await runsBecome('running', 1);
  for (let missed = 0; missed < 3; missed += 1) await clock.pass(2000);
  expect(await runs()).toHaveLength(1);
  await release();
  await runsBecome('succeeded', 2);
  await clock.pass(1999);
  expect(await runs()).toHaveLength(2);
});

test('a cron job never overlaps itself and makes up for every missed run', async () => {
  const release = await holdJobs();
  await schedule('slow', '* * * * *', 'select public.block()');
  await clock.pass(30_000);
  await runsBecome('running', 1);
  for (let missed = 0; missed < 3; missed += 1) await clock.pass(60_000);
  expect(await runs()).toHaveLength(1);
  await release();
  await runsBecome('succeeded', 4);
  expect(await runs()).toHaveLength(4);
});

test('at most 32 jobs run at once, the rest when one has ended', async () => {
  const release = await holdJobs();
  await change(
    () =>
      sql`select cron.schedule('job ' || n, '1 seconds', 'select public.block()') from generate_series(1, 34) as n`,
  );
  await clock.pass(1000);
  await runsBecome('running', 32);
  expect(await runs()).toHaveLength(32);
  await release();
  await runsBecome('succeeded', 34);
});

test('changes of a job count from their commit on', async () => {
  await schedule('changing', '10 seconds', "insert into public.log (entry) values ('old')");
  await schedule('changing', '1 seconds', "insert into public.log (entry) values ('new')");
  await clock.pass(1000);
  await runsBecome('succeeded', 1);
  await change(() => sql`select cron.alter_job(jobid, active := false) from cron.job`);
  await clock.pass(1000);
  await change(() => sql`select cron.alter_job(jobid, active := true) from cron.job`);
  await clock.pass(999);
  expect(await runs()).toHaveLength(1);
  await clock.pass(1);
  await runsBecome('succeeded', 2);
  await change(() => sql`select cron.unschedule('changing')`);
  await clock.pass(1000);
  expect(await runs()).toHaveLength(2);
  expect((await sql`select entry from public.log`).map(({ entry }) => entry)).toEqual(['new', 'new']);
});

test('unscheduling a job that runs cancels the run and ends its backend', async () => {
  const release = await holdJobs();
  await schedule('slow', '1 seconds', 'select public.block()');
  await clock.pass(1000);
  const [running] = await runsBecome('running', 1);
  await sql`select cron.unschedule('slow')`;
  const [failed] = await runsBecome('failed', 1);
  expect(failed?.return_message).toBe('job canceled');
  await vi.waitFor(async () => {
    expect(await sql`select from pg_stat_activity where pid = ${running?.job_pid}`).toHaveLength(0);
  }, BOUND);
  await release();
  expect(await sql`select from public.log`).toHaveLength(0);
});

test('a stopped worker leaves no backend, and the next one marks what was running as failed', async () => {
  const release = await holdJobs();
  await schedule('slow', '1 seconds', 'select public.block()');
  await clock.pass(1000);
  await runsBecome('running', 1);
  await worker.stop();
  await vi.waitFor(async () => {
    const left = await sql`
      select from pg_stat_activity where application_name like 'pg_cron%' and datname = current_database()
    `;
    expect(left).toHaveLength(0);
  }, BOUND);
  expect((await runs()).map(({ status }) => status)).toEqual(['running']);
  worker = await startPgCronWorker({ databaseUrl: database.superuserUrl, clock });
  const [failed] = await runsBecome('failed', 1);
  expect(failed?.return_message).toBe('server restarted');
  await release();
});

test('a worker that is stopped as a job falls due does not wait for the job', async () => {
  const release = await holdJobs();
  await schedule('slow', '1 seconds', 'select public.block()');
  await clock.pass(1000);
  await worker.stop();
  expect(
    await sql`select from pg_stat_activity where application_name = 'pg_cron' and datname = current_database()`,
  ).toHaveLength(0);
  await release();
});

test('a worker whose connection is cut comes back and goes on', async () => {
  await schedule('steady', '1 seconds', 'select 1');
  const back = clock.nextWait();
  const admin = postgres(database.superuserUrl, { max: 1 });
  await admin`
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'pg_cron scheduler' and datname = current_database()
  `;
  await admin.end();
  await back;
  await clock.pass(1000);
  await runsBecome('succeeded', 1);
});

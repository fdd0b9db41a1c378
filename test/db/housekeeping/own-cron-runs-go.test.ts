import { beforeEach, expect, test } from 'vitest';
import { plus } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const DAY = 86_400;
const START = new Date('2026-01-01T00:00:00Z');
const db = useDatabase();
let tick: string;
let foreign: string;
beforeEach(async () => {
  const { sql } = db();
  await sql`delete from cron.job_run_details`;
  await sql`update push.cleaning set last_cron_run = default`;
  tick = (await sql`select jobid from cron.job where jobname = 'supapush-tick'`)[0]?.jobid;
  foreign = (await sql`select cron.schedule('somebody-elses', '0 0 * * *', 'select 1') as id`)[0]?.id;
});

async function addRuns(jobid: string, from: Date, count: number): Promise<void> {
  await db().sql`
    insert into cron.job_run_details (jobid, runid, username, status, start_time, end_time)
    select ${jobid}, n + coalesce((select max(runid) from cron.job_run_details), 0), 'postgres', 'succeeded', ${from}, ${from}
    from generate_series(1, ${count}) as n`;
}

async function clean(now: Date, limit = 1000): Promise<number> {
  const [row] = await db().sql`select push.clean(${limit}, ${now}) as counts`;
  return row?.counts.cron_runs;
}

const countRuns = async (jobid: string) =>
  (await db().sql`select count(*)::int as n from cron.job_run_details where jobid = ${jobid}`)[0]?.n;

test('old runs of our jobs go, those of others stay', async () => {
  await addRuns(tick, START, 3);
  await addRuns(foreign, START, 3);
  await addRuns(tick, plus(START, 2 * DAY), 2);
  expect(await clean(plus(START, 3 * DAY))).toBe(3);
  expect(await countRuns(tick)).toBe(2);
  expect(await countRuns(foreign)).toBe(3);
  expect(await clean(plus(START, 5 * DAY))).toBe(2);
});

test('a long history of others holds nothing up: each run looks at the next ones', async () => {
  await addRuns(foreign, START, 25);
  await addRuns(tick, START, 5);
  const now = plus(START, 4 * DAY);
  expect([await clean(now, 100), await clean(now, 100), await clean(now, 100)]).toEqual([0, 0, 5]);
  expect(await countRuns(foreign)).toBe(25);
});

test('a run that never ended counts from its beginning', async () => {
  const { sql } = db();
  await addRuns(tick, START, 1);
  await sql`update cron.job_run_details set end_time = null, status = 'running'`;
  expect(await clean(plus(START, 2 * DAY))).toBe(0);
  expect(await clean(plus(START, 4 * DAY))).toBe(1);
});

test('when pg_cron counts from 1 again, it starts over', async () => {
  const { sql } = db();
  await addRuns(tick, START, 1);
  await sql`update push.cleaning set last_cron_run = 1000000`;
  const now = plus(START, 4 * DAY);
  expect([await clean(now), await clean(now)]).toEqual([0, 1]);
});

test('of a job that is gone, runs go by what they ran', async () => {
  const { sql } = db();
  const gone = (await sql`select max(jobid) + 1000 as id from cron.job`)[0]?.id;
  await addRuns(gone, START, 4);
  await sql`
    update cron.job_run_details set command = (
      array['select push.tick()', 'select push.ring_for_quotes()', 'select push.notify(null, null)', 'select 1']
    )[runid]`;
  expect(await clean(plus(START, 4 * DAY))).toBe(2);
  const left = await sql`select command from cron.job_run_details order by runid`;
  expect(left.map(({ command }) => command)).toEqual(['select push.notify(null, null)', 'select 1']);
});

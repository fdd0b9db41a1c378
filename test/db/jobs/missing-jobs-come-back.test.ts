import postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { connectBell } from '../../support/bell.ts';
import { asService } from '../../support/postgres.ts';
import { clearQuotes, defineSource } from '../../support/quotes.ts';
import { useDatabase } from '../../support/use-database.ts';

const JOBS = {
  'supapush-alerts': '* * * * *',
  'supapush-clean': '* * * * *',
  'supapush-statistics': '* * * * *',
  'supapush-tick': '10 seconds',
};

const db = useDatabase();
beforeEach(async () => {
  await clearQuotes(db().sql);
  await db().sql`update push.settings set quotes_schedule = default`;
  await loseJobs();
  await db().sql`select push.schedule_jobs()`;
});

const loseJobs = () => db().sql`select cron.unschedule(jobid) from cron.job`;
const readJobs = async () => {
  const rows = await db().sql`select jobname, schedule from cron.job`;
  return Object.fromEntries(rows.map(({ jobname, schedule }) => [jobname, schedule]));
};
const readIds = async () =>
  (await db().sql`select jobid from cron.job order by jobname`).map(({ jobid }) => jobid);
/** What health says of jobs. */
const complaints = async () => {
  const [row] = await asService(db().sql, (t) => t`select public.push_health() as health`);
  const reasons = row?.health.reasons as { code: string; message: string }[];
  return reasons.filter(({ code }) => code === 'job_missing').map(({ message }) => message);
};

test('connecting brings back those that a restore has lost; health names each until then', async () => {
  await loseJobs();
  const missing = await complaints();
  for (const [index, name] of Object.keys(JOBS).entries()) {
    expect(missing[index]).toContain(`The pg_cron job ${name} is missing:`);
    expect(missing[index]).toMatch(/Run: npx supapush connect$/);
  }
  expect(missing).toHaveLength(4);
  await connectBell(db().sql);
  expect(await readJobs()).toEqual(JOBS);
  expect(await complaints()).toEqual([]);
});

test('a single one that is missing is named alone', async () => {
  await db().sql`select cron.unschedule('supapush-clean')`;
  expect(await complaints()).toEqual([expect.stringContaining('supapush-clean')]);
});

test('to repeat it changes nothing, and leaves alone what an operator has set', async () => {
  const { sql } = db();
  await sql`select cron.alter_job(jobid, schedule => '5 seconds') from cron.job where jobname = 'supapush-tick'`;
  const before = await readIds();
  const [row] = await sql`select push.schedule_jobs() as made`;
  expect(row?.made).toEqual([]);
  await connectBell(sql);
  expect(await readIds()).toEqual(before);
  expect(await readJobs()).toEqual({ ...JOBS, 'supapush-tick': '5 seconds' });
});

test('one that runs another command is set right, as often as before', async () => {
  const { sql } = db();
  await sql`select cron.schedule('supapush-tick', '20 seconds', 'select 1')`;
  const [row] = await sql`select push.schedule_jobs() as made`;
  expect(row?.made).toEqual(['supapush-tick']);
  const [job] = await sql`select schedule, command from cron.job where jobname = 'supapush-tick'`;
  expect(job).toEqual({ schedule: '20 seconds', command: 'select push.tick()' });
});

test('one that is switched off stays so, and health says how to switch it on', async () => {
  const { sql } = db();
  await sql`select cron.alter_job(jobid, active => false) from cron.job where jobname = 'supapush-clean'`;
  await connectBell(sql);
  const [told] = await complaints();
  expect(told).toMatch(/supapush-clean is switched off: .*Run: select cron\.alter_job/);
  await sql.unsafe(/select cron\.alter_job.*$/.exec(told ?? '')?.[0] ?? '');
  expect(await complaints()).toEqual([]);
});

test('that of quotes is wanted while there are sources, and comes back as often as it was told to', async () => {
  const { sql } = db();
  await defineSource(sql, 'main');
  await sql`select push.schedule_quotes('30 seconds')`;
  await loseJobs();
  expect(await complaints()).toHaveLength(5);
  await connectBell(sql);
  expect(await readJobs()).toEqual({ ...JOBS, 'supapush-quotes': '30 seconds' });
  await sql`select push.drop_quote_source('main')`;
  expect(await readJobs()).toEqual(JOBS);
});

test('a schedule that pg_cron refuses is not remembered', async () => {
  const { sql } = db();
  await expect(sql`select push.schedule_quotes('often')`).rejects.toMatchObject({ code: '22023' });
  const [row] = await sql`select quotes_schedule from push.settings`;
  expect(row?.quotes_schedule).toBe('* * * * *');
});

test('jobs of others are left alone', async () => {
  const { sql } = db();
  await sql`select cron.schedule('supapush-like', '0 0 * * *', 'select 1')`;
  await connectBell(sql);
  expect(await readJobs()).toEqual({ ...JOBS, 'supapush-like': '0 0 * * *' });
});

test.each(['pg_cron', 'pg_net'])('%s itself comes back', async (extension) => {
  const admin = postgres(db().superuserUrl, { max: 1, onnotice: () => {} });
  await admin.unsafe(`drop extension ${extension} cascade`);
  await admin.end();
  expect(await complaints()).toHaveLength(extension === 'pg_cron' ? 4 : 0);
  await connectBell(db().sql);
  expect(await readJobs()).toEqual(JOBS);
  const [row] = await db().sql`select net.http_post('http://127.0.0.1:9/') as id`;
  expect(Number(row?.id)).toBeGreaterThan(0);
});

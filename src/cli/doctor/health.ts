import { callOf } from '../command.ts';
import type { Check, Finding } from './check.ts';
import type { DatabaseFacts } from './database-facts.ts';

interface Reason {
  code: string;
  message: string;
}

const FIX = callOf('doctor', '--fix');
/** A tick that does not run although its job is there: what pg_cron says of its runs. */
const RUNS =
  'select start_time, status, return_message from cron.job_run_details order by runid desc limit 5; if pg_cron itself stands still, restart the database.';

/** What other checks of the database have said, better than a reason of health. */
const TOLD = new Set([
  'job_missing',
  'tick_missing',
  'job_failing',
  'bell_not_connected',
  'vault_unreadable',
  'copied_project',
]);

/** What the database knows to be wrong with itself: its jobs, and why it is not healthy. */
export const HEALTH_CHECKS: Check<DatabaseFacts>[] = [
  { name: 'the jobs of pg_cron', look: jobFindings, fix: bringJobsBack },
  { name: 'alarms and the queue', look: reasonFindings },
];

async function jobFindings({ sql }: DatabaseFacts): Promise<Finding[]> {
  const [row] = await sql<{ reasons: Reason[] | null }[]>`
    select push.job_health(clock_timestamp()) -> 'reasons' as reasons`;
  return (row?.reasons ?? []).map(({ code, message }) => ({
    code,
    message: withoutCure(message),
    cure: code === 'job_missing' ? FIX : RUNS,
  }));
}

/** Makes the jobs that are missing, and switches on those that are off. */
async function bringJobsBack({ sql }: DatabaseFacts): Promise<string[]> {
  return await sql.begin(async (transaction) => {
    // A restore may have left out pg_cron itself.
    await transaction`select push.require_extensions()`;
    const [made] = await transaction<{ names: string[] }[]>`select push.schedule_jobs() as names`;
    const on = await transaction<{ name: string }[]>`
      select c.jobname as name, cron.alter_job(c.jobid, active => true)
      from push.jobs() as w
      join cron.job as c on c.jobname = w.name
      where w.wanted and not c.active`;
    return [
      ...(made?.names ?? []).map((name) => `The job ${name} was made again.`),
      ...on.map(({ name }) => `The job ${name} was switched on.`),
    ];
  });
}

async function reasonFindings({ sql }: DatabaseFacts): Promise<Finding[]> {
  const [row] = await sql<{ reasons: Reason[] }[]>`select public.push_health() -> 'reasons' as reasons`;
  return (row?.reasons ?? [])
    .filter(({ code }) => !TOLD.has(code))
    .map(({ code, message }) => ({ code, message: withoutCure(message), cure: cureOf(code, message) }));
}

/** What to do about the reasons whose message names no command. */
const CURES: Record<string, string> = {
  paused: 'select push.resume();',
  backlog_old: callOf('status'),
  success_rate_low: callOf('status'),
};

/** Alarms end with what to run. */
const RUN = /\s*Run: (.+)$/s;

function withoutCure(message: string): string {
  return message.replace(RUN, '');
}

function cureOf(code: string, message: string): string {
  return (
    RUN.exec(message)?.[1] ??
    CURES[code] ??
    `Do what it says; docs/reference/errors.md#operation has ${code}.`
  );
}

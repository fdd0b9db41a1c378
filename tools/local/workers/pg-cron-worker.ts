import type postgres from 'postgres';
import { type Clock, systemClock } from './clock.ts';
import { dueRuns, parseSchedule, type Schedule } from './cron-schedule.ts';
import { Latch } from './latch.ts';
import { type CronJob, runJob } from './pg-cron-run.ts';
import { startSession, type Worker } from './worker-session.ts';

export type { Clock, Worker };

const MAX_RUNNING = 32;
const MAX_WAIT_MS = 1000;
const MINUTE_MS = 60_000;

interface Task {
  job: CronJob;
  schedule: Schedule | undefined;
  /** Runs that are due and not yet started. */
  pending: number;
  /** When the last run started, in ms; for one that never ran, when the job became known. */
  lastStart: number;
  /** Set while the job runs; aborting it cancels the run. */
  running: AbortController | undefined;
  isActive: boolean;
}

/**
 * Runs the jobs of `cron.job` as the launcher of pg_cron 1.6 does, by UTC: each job as its user in its database, at
 * most 32 at once, a job never beside itself. What falls due meanwhile is made up for afterwards: every run of a cron
 * schedule, a single one of a seconds schedule. Changes of jobs count from their commit on.
 *
 * The extension may be created later. Resolves once the worker listens; rejects if the database cannot be reached.
 */
export async function startPgCronWorker(options: {
  /** As superuser (`server.url({ role: 'supabase_admin' })`). */
  databaseUrl: string;
  log?: (line: string) => void;
  /** Decides what is due and stamps start_time and end_time. */
  clock?: Clock;
}): Promise<Worker> {
  const { databaseUrl, log = () => {}, clock = systemClock } = options;
  const latch = new Latch();
  let jobsChanged = true;
  return startSession({
    name: 'pg_cron scheduler',
    databaseUrl,
    channel: 'pg_cron_jobs',
    log,
    onNotify: () => {
      jobsChanged = true;
      latch.set();
    },
    work: async (sql, signal) => {
      const tasks = new Map<string, Task>();
      const runs = new Set<Promise<void>>();
      let lastMinute = minuteOf(clock.now());
      let hasStarted = false;
      jobsChanged = true;
      try {
        await failUnfinishedRuns(sql);
        while (!signal.aborted) {
          if (jobsChanged) {
            jobsChanged = false;
            await refreshTasks(sql, tasks, clock);
          }
          const now = clock.now();
          countDueRuns(tasks, lastMinute, now);
          lastMinute = Math.max(lastMinute, minuteOf(now));
          if (!hasStarted) countRebootRuns(tasks);
          hasStarted = true;
          for (const task of tasks.values()) {
            if (task.running || task.pending === 0 || !task.isActive || runs.size >= MAX_RUNNING) continue;
            task.pending -= 1;
            task.lastStart = now.getTime();
            task.running = new AbortController();
            const run = recordRun({ sql, task, databaseUrl, clock, signal })
              .catch((error: Error) => log(`pg_cron: job ${task.job.jobid}: ${error.message}`))
              .finally(() => {
                task.running = undefined;
                if (!task.isActive) tasks.delete(task.job.jobid);
                runs.delete(run);
                latch.set();
              });
            runs.add(run);
          }
          await latch.wait(signal, { clock, milliseconds: nextEvent(tasks, clock.now()) });
        }
      } finally {
        await Promise.all(runs);
      }
    },
  });
}

function minuteOf(time: Date): number {
  return Math.floor(time.getTime() / MINUTE_MS) * MINUTE_MS;
}

/** Whatever ran when the server or the worker went down can have no result any more. */
async function failUnfinishedRuns(sql: postgres.Sql): Promise<void> {
  const [table] = await sql`select to_regclass('cron.job_run_details') as name`;
  if (!table?.name) return;
  await sql`
    update cron.job_run_details set status = 'failed', return_message = 'server restarted'
    where status in ('starting', 'running')
  `;
}

async function refreshTasks(sql: postgres.Sql, tasks: Map<string, Task>, clock: Clock): Promise<void> {
  const [table] = await sql`select to_regclass('cron.job') as name`;
  const jobs = table?.name
    ? await sql<CronJob[]>`
        select jobid::text as jobid, schedule, command, database, username, active from cron.job order by jobid
      `
    : [];
  for (const task of tasks.values()) task.isActive = false;
  for (const job of jobs) {
    const known = tasks.get(job.jobid);
    const schedule = parseSchedule(job.schedule);
    if (known) {
      Object.assign(known, { job, schedule, isActive: job.active });
    } else if (job.active) {
      const lastStart = clock.now().getTime();
      tasks.set(job.jobid, { job, schedule, pending: 0, lastStart, running: undefined, isActive: true });
    }
  }
  for (const [jobid, task] of tasks) {
    if (task.isActive) continue;
    // As pg_cron does: a job that is unscheduled while it runs is cancelled. It stays known until the run has ended,
    // lest it start beside itself if it is activated again.
    if (task.running) task.running.abort();
    else tasks.delete(jobid);
  }
}

function countDueRuns(tasks: Map<string, Task>, lastMinute: number, now: Date): void {
  for (const task of tasks.values()) {
    if (task.schedule?.kind === 'cron') {
      task.pending += dueRuns(task.schedule, lastMinute, minuteOf(now));
    } else if (task.schedule?.kind === 'interval' && task.pending === 0) {
      if (now.getTime() - task.lastStart >= task.schedule.seconds * 1000) task.pending = 1;
    }
  }
}

/** Once for each start of the launcher: a job that is made later waits for the next. */
function countRebootRuns(tasks: Map<string, Task>): void {
  for (const task of tasks.values()) if (task.schedule?.kind === 'reboot') task.pending += 1;
}

/** Milliseconds until the next thing can fall due, a second at most: the clock may be set. */
function nextEvent(tasks: Map<string, Task>, now: Date): number {
  let next = minuteOf(now) + MINUTE_MS;
  for (const { schedule, pending, lastStart } of tasks.values()) {
    if (schedule?.kind !== 'interval' || pending > 0) continue;
    next = Math.min(next, lastStart + schedule.seconds * 1000);
  }
  return Math.min(Math.max(next - now.getTime(), 1), MAX_WAIT_MS);
}

/** Runs a task once and keeps its row in `cron.job_run_details`. */
async function recordRun(options: {
  sql: postgres.Sql;
  task: Task;
  databaseUrl: string;
  clock: Clock;
  signal: AbortSignal;
}): Promise<void> {
  const { sql, task, databaseUrl, clock, signal } = options;
  const { job, running } = task;
  if (!running) return;
  const [details] = await sql<{ runid: string }[]>`
    insert into cron.job_run_details (jobid, database, username, command, status)
    values (${job.jobid}, ${job.database}, ${job.username}, ${job.command}, 'starting')
    returning runid::text as runid
  `;
  const runid = details?.runid ?? null;
  let pid = 0;
  const terminate = (): void => {
    // Closing a connection alone would let its statement run on.
    if (pid) sql`select pg_terminate_backend(${pid})`.catch(() => {});
  };
  const cancelled = AbortSignal.any([running.signal, signal]);
  cancelled.addEventListener('abort', terminate);
  const result = await runJob({
    job,
    databaseUrl,
    signal: cancelled,
    onBackend: async (backend) => {
      pid = backend;
      const start = clock.now();
      task.lastStart = start.getTime();
      await sql`
        update cron.job_run_details set status = 'running', job_pid = ${pid}, start_time = ${start}
        where runid = ${runid}
      `;
    },
  });
  cancelled.removeEventListener('abort', terminate);
  // A worker that stops leaves the row as a server that stops does: the next start finds it unfinished.
  if (signal.aborted) return;
  await sql`
    update cron.job_run_details
    set status = ${result.status}, return_message = ${result.message}, end_time = ${clock.now()}
    where runid = ${runid}
  `;
}

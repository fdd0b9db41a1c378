import { parseArgs } from 'node:util';
import type postgres from 'postgres';
import { type Command, callOf, type Outcome } from './command.ts';
import { defaultEnvironmentFile, SECRETS_FILE } from './environment-file.ts';
import { readSettings, requiredDatabaseUrl, withDatabase } from './open-database.ts';
import { columns, styled } from './terminal.ts';

const USAGE = `Usage: ${callOf('status', '[--database-url postgresql://…] [--json]')}

Shows on one screen what waits, what is under way, how push services are doing, what is paused, the jobs of pg_cron, and why
the project is not healthy, if it is not.

  --database-url  the connection string of role postgres (Dashboard → Connect); default: SUPABASE_DB_URL
  --file          where else SUPABASE_DB_URL may stand (default .env; where init has been, ${SECRETS_FILE})
  --json          print one object of JSON instead of text: that of push-health, with the jobs

Exit codes: 0 healthy, 1 not, 2 called wrongly.`;

/** What of `public.push_health()` is shown. */
interface Health {
  healthy: boolean;
  reasons: { code: string; message: string }[];
  waiting: number;
  oldest_waiting_seconds: number;
  sending: number;
  dispatchers: number;
  workers: { name: string; listens: boolean; dispatchers: number }[];
  recent: Record<string, number>;
  success_rate: number | null;
  hosts: {
    origin: string;
    circuit: 'open' | 'slowed' | 'closed';
    last_success_at: string | null;
    last_error_at: string | null;
    last_error: string | null;
  }[];
  pauses: {
    category: string | null;
    host: string | null;
    reason: string;
    paused_at: string;
    resumed_at: string | null;
    waiting: number;
  }[];
  last_tick_at: string | null;
}

interface Job {
  name: string;
  schedule: string;
  /** `missing` and `off` only where it is wanted; otherwise `unused`. */
  state: 'on' | 'off' | 'missing' | 'unused';
}

async function run(args: string[]): Promise<Outcome> {
  const { values } = parseArgs({
    args,
    options: {
      'database-url': { type: 'string' },
      file: { type: 'string', default: defaultEnvironmentFile() },
      json: { type: 'boolean', default: false },
    },
  });
  const url = requiredDatabaseUrl(values['database-url'], await readSettings(values.file));
  return await withDatabase(url, async (sql) => {
    const [row] = await sql<{ health: Health; now: Date }[]>`
      select public.push_health() as health, clock_timestamp() as now`;
    const { health, now } = row as { health: Health; now: Date };
    const jobs = await readJobs(sql);
    return {
      text: values.json ? JSON.stringify({ ...health, jobs }) : asText(health, jobs, now),
      exitCode: health.healthy ? 0 : 1,
    };
  });
}

async function readJobs(sql: postgres.Sql): Promise<Job[]> {
  const [known] = await sql<{ there: boolean }[]>`select to_regclass('cron.job') is not null as there`;
  if (known?.there !== true) {
    return await sql<Job[]>`
      select name, schedule, case when wanted then 'missing' else 'unused' end as state from push.jobs()`;
  }
  return await sql<Job[]>`
    select w.name, coalesce(c.schedule, w.schedule) as schedule,
      case when c.active then 'on' when not w.wanted then 'unused' when c.active is null then 'missing' else 'off' end as state
    from push.jobs() as w
    left join cron.job as c on c.jobname = w.name`;
}

function asText(health: Health, jobs: readonly Job[], now: Date): string {
  const { healthy, reasons, hosts, pauses } = health;
  const since = (time: string | null) =>
    time === null ? 'never' : `${duration((now.getTime() - Date.parse(time)) / 1000)} ago`;
  const lines = [
    healthy ? styled('green', 'Healthy') : styled('red', 'Not healthy'),
    ...reasons.map(({ code, message }) => `  ${styled('red', code)}  ${message}`),
    '',
    'Queue',
    ...columns([
      [
        '  waiting',
        String(health.waiting),
        health.oldest_waiting_seconds > 0 ? `the oldest for ${duration(health.oldest_waiting_seconds)}` : '',
      ],
      ['  under way', String(health.sending), `by ${count(health.dispatchers, 'dispatcher')}`],
      ...(health.workers.length === 0
        ? []
        : [['  workers', String(health.workers.length), health.workers.map(workerText).join(', ')]]),
      ['  last 15 min', ...recentOf(health)],
    ]),
    '',
    'Push services',
    ...columns(
      hosts.map((host) => [
        `  ${host.origin}`,
        CIRCUITS[host.circuit],
        `accepted ${since(host.last_success_at)}`,
        host.last_error_at === null ? '' : `error ${since(host.last_error_at)}: ${host.last_error ?? ''}`,
      ]),
      (cell, _, column) => (column === 1 && cell !== CIRCUITS.closed ? styled('yellow', cell) : cell),
    ),
    ...(hosts.length === 0 ? ['  none was asked yet'] : []),
    '',
    ...(pauses.length === 0 ? [] : ['Pauses', ...columns(pauses.map((pause) => pauseRow(pause, since))), '']),
    `Jobs  (last tick ${since(health.last_tick_at)})`,
    ...columns(
      jobs.map(({ name, schedule, state }) => [`  ${name}`, state, schedule]),
      (cell, _, column) =>
        column === 1 && (cell === 'off' || cell === 'missing') ? styled('red', cell) : cell,
    ),
  ];
  return lines.map((line) => line.trimEnd()).join('\n');
}

const CIRCUITS = { closed: 'ok', slowed: 'slowed', open: 'paused' };

function recentOf({ recent, success_rate: rate }: Health): string[] {
  const states = Object.entries(recent).map(([state, number]) => `${number} ${state}`);
  return [
    states.join(', ') || 'nothing',
    rate === null ? '' : `${Math.round(rate * 1000) / 10} % of those tried were sent`,
  ];
}

function workerText({ name, listens, dispatchers }: Health['workers'][number]): string {
  return `${name} (${dispatchers > 0 ? 'at work' : 'idle'}${listens ? '' : ', asks every second'})`;
}

function pauseRow(pause: Health['pauses'][number], since: (time: string | null) => string): string[] {
  const { category, host, reason, paused_at, resumed_at, waiting } = pause;
  const scope = category === null ? (host ?? 'the whole project') : `category ${category}`;
  const state =
    resumed_at === null ? `paused ${since(paused_at)}` : `ended ${since(resumed_at)}, being cleared`;
  return [`  ${scope}`, state, `${waiting} waiting`, reason];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** Seconds as people say them: 12 s, 3 min, 5 h, 2 days. */
function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export const command: Command = { usage: USAGE, run };

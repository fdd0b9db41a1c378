import postgres from 'postgres';

/** A row of `cron.job`. */
export interface CronJob {
  jobid: string;
  schedule: string;
  command: string;
  database: string;
  username: string;
  active: boolean;
}

export interface RunResult {
  status: 'succeeded' | 'failed';
  message: string;
}

/**
 * Runs a job's command once, on a connection of its own to the job's database, as the job's user with that role's own
 * settings (search_path, timeouts) — all of it one implicit transaction, as pg_cron sends it. Never rejects: an error
 * is a failed run. Aborting the signal ends the connection, and `onBackend` tells which process to terminate.
 *
 * Unlike the real one it does not log in as the user, whose password is unknown: it logs in as superuser and gives up
 * its rights. A command that says `reset session authorization` would get them back.
 */
export async function runJob(options: {
  job: CronJob;
  databaseUrl: string;
  signal: AbortSignal;
  onBackend: (pid: number) => Promise<void>;
}): Promise<RunResult> {
  const { job, signal, onBackend } = options;
  const url = new URL(options.databaseUrl);
  url.pathname = `/${encodeURIComponent(job.database)}`;
  const sql = postgres(url.href, {
    max: 1,
    fetch_types: false,
    connection: { application_name: 'pg_cron' },
    onnotice: () => {},
  });
  const end = (): void => void sql.end({ timeout: 0 });
  signal.addEventListener('abort', end);
  try {
    // An event that has passed calls no listener.
    signal.throwIfAborted();
    const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    await sql`
      select set_config(split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1), false)
      from (
        select unnest(setconfig) as setting
        from pg_db_role_setting
        where setrole = (select oid from pg_roles where rolname = ${job.username})
          and setdatabase in (0, (select oid from pg_database where datname = current_database()))
        order by setdatabase
      ) as settings
    `;
    await sql`select set_config('session_authorization', ${job.username}, false)`;
    await onBackend(backend?.pid ?? 0);
    const result = await sql.unsafe(job.command).simple();
    return { status: 'succeeded', message: describeResult(result) };
  } catch (error) {
    return { status: 'failed', message: signal.aborted ? 'job canceled' : describeError(error) };
  } finally {
    signal.removeEventListener('abort', end);
    await sql.end({ timeout: 1 });
  }
}

/** `1 row` for what returns rows, the command tag for the rest; of several commands the last one's. */
function describeResult(result: postgres.RowList<postgres.Row[]>): string {
  const isList = Array.isArray(result[0]);
  const last = (isList ? result.at(-1) : result) as unknown as postgres.RowList<postgres.Row[]> | undefined;
  if (!last) return '0 rows';
  if (last.columns?.length) return `${last.length} ${last.length === 1 ? 'row' : 'rows'}`;
  if (last.command === 'INSERT') return `INSERT 0 ${last.count}`;
  return last.count === null ? last.command : `${last.command} ${last.count}`;
}

function describeError(error: unknown): string {
  if (!(error instanceof postgres.PostgresError)) {
    const code = (error as { code?: string }).code ?? '';
    return code.startsWith('CONNECTION_') ? 'connection lost' : 'connection failed';
  }
  const parts = [
    `${error.severity}:  ${error.message}`,
    error.detail && `DETAIL:  ${error.detail}`,
    error.hint && `HINT:  ${error.hint}`,
    error.where && `CONTEXT:  ${error.where}`,
  ];
  return `${parts.filter(Boolean).join('\n')}\n`;
}

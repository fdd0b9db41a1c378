import { join } from 'node:path';
import postgres from 'postgres';
import { prepareSupabase } from '../local/postgres/supabase-roles.ts';
import { startDebianPostgres } from './debian-postgres.ts';
import { migrateAgain, migrateWithCli } from './migrate-with-cli.ts';
import { copyProject } from './project-copy.ts';
import { runStep, SILENT, type StepListener, type StepResult } from './steps.ts';
import { runSupabase, withoutTls } from './supabase-cli.ts';
import { withTemporaryFolder } from './temporary-folder.ts';
import { verifyRestores } from './verify-restores.ts';

/** The schemas that are ours, in part or whole. */
const SCHEMAS = 'push,public';

/**
 * Applies a project's migrations to a private PostgreSQL 15, the oldest that Supabase runs, as `postgres`, who is no
 * superuser, has plpgsql_check read every function, and dumps and restores a project in use. Wants Debian's packages `postgresql-15` and
 * `postgresql-15-plpgsql-check`; throws `LocalStackError` without the first.
 */
export function verifyPostgres15(project: string, listener: StepListener = SILENT): Promise<StepResult[]> {
  return withTemporaryFolder(async (folder, lifetime) => {
    const copy = join(folder, 'project');
    await copyProject(join(project, 'supabase'), join(copy, 'supabase'));
    const server = await startDebianPostgres(15, join(folder, 'postgres'), lifetime);
    await prepareSupabase(server);
    const cli = { project: copy, home: join(folder, 'home'), onLine: listener.says };
    const take = (name: string, work: () => Promise<string[]>) => runStep(name, work, listener);

    const migrated = await take('PostgreSQL 15: supabase migration up as postgres, who is no superuser', () =>
      migrateWithCli(server, cli),
    );
    if (!migrated.ok) return [migrated];
    const again = await take('PostgreSQL 15: once more, nothing to do', () => migrateAgain(server, cli));

    const sql = postgres(server.url({ role: 'supabase_admin' }), { max: 1, onnotice: () => undefined });
    lifetime.onEnd('the connection', () => sql.end());
    await sql`create extension plpgsql_check with schema extensions`;
    const linted = await take('PostgreSQL 15: supabase db lint', async () => {
      const flags = ['--schema', SCHEMAS, '--level', 'warning', '--fail-on', 'warning'];
      const result = await runSupabase(['db', 'lint', '--db-url', withoutTls(server.url()), ...flags], cli);
      return result.exitCode === 0 ? [] : [result.output.trim()];
    });
    const triggers = await take('PostgreSQL 15: plpgsql_check of the trigger functions', () =>
      checkTriggerFunctions(sql),
    );
    const restores = await verifyRestores(server, {
      version: 15,
      folder,
      migrations: join(copy, 'supabase', 'migrations'),
      listener,
    });
    return [migrated, again, linted, triggers, ...restores];
  });
}

/** `supabase db lint` leaves trigger functions out: they can be checked only together with their table. */
async function checkTriggerFunctions(sql: postgres.Sql): Promise<string[]> {
  const findings = await sql<{ finding: string }[]>`
    select format('%s on %s, line %s: %s: %s', t.tgfoid::regprocedure, t.tgrelid::regclass, c.lineno, c.level, c.message)
      as finding
    from pg_trigger t
    join pg_proc p on p.oid = t.tgfoid
    join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'
    cross join lateral extensions.plpgsql_check_function_tb(
      p.oid, t.tgrelid, oldtable => t.tgoldtable, newtable => t.tgnewtable
    ) c
    where not t.tgisinternal and p.pronamespace::regnamespace::text = any (${SCHEMAS.split(',')})
    order by 1`;
  return findings.map(({ finding }) => finding);
}

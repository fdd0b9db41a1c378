import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { applyMigrations } from '../local/postgres/migrations.ts';
import type { PostgresServer } from '../local/postgres/postgres-server.ts';
import { prepareSupabase } from '../local/postgres/supabase-roles.ts';
import { debianPrograms } from './debian-postgres.ts';
import { APP_SCHEMA, describeProject, fillProject, PROJECT_URL, problemsOf } from './restored-project.ts';
import { basicEnvironment, runProgram } from './run-program.ts';
import { runStep, type StepListener, type StepResult } from './steps.ts';

/** What the Supabase CLI leaves out of a dump of data, as far as it is here: the platform's own. */
const NOT_DATA = ['cron', 'net', 'vault', 'extensions', 'supabase_migrations'].flatMap((schema) => [
  '-N',
  schema,
]);
/** As the CLI's dumps begin, so that the data goes in as it was. */
const AS_IT_WAS = ['-c', 'set session_replication_role = replica'];

/**
 * Dumps a project that is in use with `pg_dump` and restores it in the three ways that operators have: the whole database, the
 * data onto migrations that were pushed, and the schemas without those of the platform. Each time every row has to be there, and
 * `push.connect()` has to make it work again.
 *
 * @param migrations the folder of the migrations
 */
export async function verifyRestores(
  server: PostgresServer,
  {
    version,
    folder,
    migrations,
    listener,
  }: {
    version: number;
    folder: string;
    migrations: string;
    listener: StepListener;
  },
): Promise<StepResult[]> {
  const file = (name: string) => join(folder, name);
  const admin = postgres(server.url({ role: 'supabase_admin' }), { max: 1, onnotice: () => undefined });
  const run = async (program: string, database: string, args: string[], role = 'postgres') => {
    const url = server.url({ role: role as 'postgres', database });
    const result = await runProgram(join(debianPrograms(version), program), [...args, '-d', url], {
      cwd: folder,
      environment: { ...basicEnvironment(), LC_ALL: 'C' },
    });
    if (result.exitCode !== 0) throw new Error(`${program} ${args.join(' ')}:\n${result.output.trim()}`);
    return result.stdout;
  };
  const dump = (args: string[]) => run('pg_dump', 'original', args, 'supabase_admin');
  const restoreSql = (database: string, files: string[]) =>
    run('psql', database, ['-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', ...files]);
  const migrate = async (database: string) => {
    await prepareSupabase(server, database);
    await applyMigrations({ url: server.url({ database }), directory: migrations });
    // What the project's own migrations make, and write.
    await restoreSql(database, ['-f', file('app.sql')]);
  };
  const take = (name: string, restore: () => Promise<void>, database: string) =>
    runStep(
      `PostgreSQL ${version}: ${name}`,
      async () => {
        await restore();
        return await problemsOf(server, database, original);
      },
      listener,
    );

  let original: Record<string, string> = {};
  try {
    await writeFile(file('app.sql'), APP_SCHEMA);
    const made = await runStep(
      `PostgreSQL ${version}: a project in use`,
      async () => {
        await migrate('original');
        // supautils lets `postgres` set it on the platform.
        await admin`grant set on parameter session_replication_role to postgres`;
        await fillProject(server, 'original', PROJECT_URL);
        original = await describeProject(server, 'original');
        return Object.keys(original).length >= 45 ? [] : ['The project has hardly any tables.'];
      },
      listener,
    );
    if (!made.ok) return [made];

    const whole = await take(
      'pg_dump and pg_restore of all',
      async () => {
        await dump(['-Fc', '-f', file('whole.dump')]);
        await admin`create database whole template template0 owner postgres`;
        await run('pg_restore', 'whole', ['--exit-on-error', file('whole.dump')], 'supabase_admin');
      },
      'whole',
    );
    const data = await take(
      'pg_dump of the data, onto migrations that were pushed',
      async () => {
        await dump(['--data-only', ...NOT_DATA, '-f', file('data.sql')]);
        await migrate('pushed');
        await restoreSql('pushed', [
          '-c',
          'select push.prepare_restore()',
          ...AS_IT_WAS,
          '-f',
          file('data.sql'),
        ]);
      },
      'pushed',
    );
    const inserts = await take(
      'pg_dump of the data as inserts, onto migrations that were pushed',
      async () => {
        await dump(['--data-only', '--column-inserts', ...NOT_DATA, '-f', file('inserts.sql')]);
        await migrate('inserted');
        await restoreSql('inserted', [
          '-c',
          'select push.prepare_restore()',
          ...AS_IT_WAS,
          '-f',
          file('inserts.sql'),
        ]);
      },
      'inserted',
    );
    const schemas = await take(
      'pg_dump of the schemas, without those of pg_cron, pg_net and the Vault',
      async () => {
        const ours = ['-n', 'push', '-n', 'public', '-n', 'supabase_migrations'];
        const schema = await dump(['--schema-only', '--no-comments', ...ours]);
        // As the Supabase CLI does: a new project has some.
        await writeFile(file('schema.sql'), schema.replace(/^CREATE SCHEMA /gm, '$&if not exists '));
        await dump(['--data-only', ...ours, '-n', 'auth', '-f', file('rows.sql')]);
        await prepareSupabase(server, 'schemas');
        await restoreSql('schemas', ['-f', file('schema.sql'), ...AS_IT_WAS, '-f', file('rows.sql')]);
      },
      'schemas',
    );
    return [made, whole, data, inserts, schemas];
  } finally {
    await admin.end();
  }
}

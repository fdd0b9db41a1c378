import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SupapushError } from '../shared/errors.ts';
import type { Command } from './command.ts';
import {
  changeLines,
  changeReport,
  isWanted,
  refuseToAsk,
  settle,
  todoLines,
  WRITE_OPTIONS,
} from './confirm.ts';
import { isPending } from './init/change.ts';
import { findProject } from './init/find-project.ts';
import { writeProject } from './init/interrupted-run.ts';
import { type Release, readRelease } from './init/release.ts';
import { knownDatabaseUrl, projectSettings } from './open-database.ts';
import { reasonOf } from './run-command.ts';
import { secretsOf, uninstallSteps } from './uninstall/next-steps.ts';
import { planUninstall } from './uninstall/plan.ts';
import { countRows, exportRows, type TableRows, withSnapshot } from './uninstall/rows.ts';
import { usedSecrets } from './uninstall/used-secrets.ts';

const USAGE = `Usage: npx supapush uninstall [options]

Takes Supapush out of the Supabase project of this folder: writes a migration that drops its tables, functions, jobs, secrets of the
Vault, and the triggers on your tables, and removes its files and its lines. It says first what goes. What you changed is kept and
named, and no row of your tables is lost. The extensions pg_net, pg_cron and supabase_vault stay.

  --database-url <url>  the database of which to count the rows that go, and to export; default: SUPABASE_DB_URL
  --export <file>       write devices, preferences, topic members and alerts there first, an object of JSON a line
  --yes                 write without asking
  --dry-run             say what would be done, and do nothing
  --json                print one object of JSON instead of text; with --yes or --dry-run
  --public <folder>     the folder that your app serves from its root, where the repository has several projects with Supapush
  --workdir <folder>    where the project is, if not in this folder, above or below it

Exit codes: 0 done or nothing to do, 1 nothing was done, 2 called wrongly.`;

async function run(args: string[]): Promise<string> {
  const { values } = parseArgs({
    args,
    options: {
      'database-url': { type: 'string' },
      export: { type: 'string' },
      ...WRITE_OPTIONS,
    },
  });
  const { yes, json, 'dry-run': dry, export: file } = values;
  refuseToAsk(values);
  const calledIn = resolve('.');
  const project = await findProject(values.workdir ?? calledIn);
  const { said, left: toDo } = settle(project, dry);
  const { setting, named } = await projectSettings(project.root);
  const databaseUrl = knownDatabaseUrl(values['database-url'], setting);
  if (file !== undefined && databaseUrl === undefined)
    throw new SupapushError(
      'usage',
      '--export reads the database: give --database-url, or set SUPABASE_DB_URL.',
    );
  if (file !== undefined && dry)
    throw new SupapushError(
      'usage',
      '--export writes a file, and --dry-run writes nothing: give one of them.',
    );
  const release = await readRelease();
  const plan = await planUninstall(
    project,
    release,
    new Date(),
    values.public === undefined ? undefined : resolve(values.public),
  );
  const counted = await count(databaseUrl, release, file === undefined);
  const question = [
    `Supapush ${release.version} in ${project.root}`,
    '',
    ...changeLines(plan.changes, calledIn),
    '',
    ...showRows(counted),
    'The extensions pg_net, pg_cron and supabase_vault stay, as others may use them.',
  ].join('\n');

  // Before anything is written, so that a run that wrote all of it ends with what comes next.
  const secrets = secretsOf(named);
  const used = await usedSecrets(project, release, secrets);
  const pending = plan.changes.filter(isPending);
  let exported: number | undefined;
  let written = false;
  if (!dry && (pending.length > 0 || file !== undefined)) {
    if (!yes && !(await isWanted(`${question}\n\nDo this?`))) return 'Nothing was done.';
    if (databaseUrl !== undefined && file !== undefined)
      exported = await withSnapshot(databaseUrl, (sql) => exportRows(sql, file));
    writeProject(project, plan.changes);
    written = pending.length > 0;
  }
  const next = written || dry ? uninstallSteps(project, plan, release, { calledIn, secrets, used }) : [];
  if (json) {
    const changes = plan.changes.map((change) => changeReport(change, project.root));
    const rows = counted.rows ?? null;
    return JSON.stringify({
      project: project.root,
      written,
      rows,
      exported: exported ?? null,
      changes,
      left: [...said, ...toDo, ...plan.left],
      next,
    });
  }
  return [
    ...(yes || dry ? [question, ''] : []),
    ...(exported === undefined
      ? []
      : [`${file} has ${exported} rows. It holds keys of your users' devices: keep it secret.`]),
    pending.length === 0 ? 'There is nothing to remove.' : written ? 'Done.' : 'Nothing was done: --dry-run.',
    ...todoLines(plan.left, next),
  ].join('\n');
}

interface Counted {
  rows?: TableRows[];
  /** Why they could not be counted. */
  reason?: string;
}

/** @param lenient whether a database that cannot be reached is only said */
async function count(databaseUrl: string | undefined, release: Release, lenient: boolean): Promise<Counted> {
  if (databaseUrl === undefined)
    return { reason: 'give --database-url to see how many, and --export to keep them' };
  try {
    return { rows: await withSnapshot(databaseUrl, (sql) => countRows(sql, release)) };
  } catch (error) {
    if (!lenient) throw error;
    return { reason: reasonOf(error) };
  }
}

function showRows({ rows, reason }: Counted): string[] {
  if (rows === undefined)
    return [`The migration deletes all rows of Supapush, which were not counted: ${reason}.`];
  const total = rows.reduce((sum, { rows: own }) => sum + own, 0);
  return [
    `The migration deletes ${total} rows:`,
    ...rows.map(({ table, rows: own }) => `  ${String(own).padStart(10)}  ${table}`),
    'To keep what your users have set: --export <file>',
  ];
}

export const command: Command = { usage: USAGE, run };

import { join, relative, resolve } from 'node:path';
import type postgres from 'postgres';
import { defaultEnvironmentFile } from '../environment-file.ts';
import { findProject } from '../init/find-project.ts';
import { readRelease } from '../init/release.ts';
import {
  inWords,
  knownDatabaseUrl,
  linkedProjectUrl,
  readSettings,
  type Settings,
  withDatabase,
} from '../open-database.ts';
import { packageVersion } from '../package-version.ts';
import { reasonOf } from '../run-command.ts';
import { APP_CHECKS } from './app.ts';
import {
  type Finding,
  onlyFinding,
  type PartName,
  type PartReport,
  runChecks,
  skippedPart,
} from './check.ts';
import { DATABASE_CHECKS, schemaFindings } from './database.ts';
import { FOLDER_CHECKS, isClone } from './folder.ts';
import type { FunctionFacts } from './function-facts.ts';
import { FUNCTION_CHECKS } from './functions.ts';
import { type Report, withFile, withoutSecrets } from './report.ts';
import { SECRET_CHECKS } from './secrets.ts';
import { connectAgain, type ProjectMeant, projectToAsk, readKnown } from './which-project.ts';

/** What doctor is asked to look at. */
export interface DoctorOptions {
  /** Where the project is, below or above; absolute. */
  folder: string;
  databaseUrl: string | undefined;
  projectUrl: string | undefined;
  appUrl: string | undefined;
  /** The path of the service worker below `appUrl`. */
  worker: string;
  publishableKey: string | undefined;
  /** Where the secrets stand. */
  file: string | undefined;
  parts: readonly PartName[];
  ignored: string[];
  fix: boolean;
  publicFolder: string | undefined;
  hasWorker: boolean;
  /** Milliseconds that an answer may take; ten seconds unless given. */
  patience?: number;
  now?: () => number;
}

/** Looks at each part in turn. Throws `InitRefusal` or `usage` where it is not clear what to look at. */
export async function examine(options: DoctorOptions): Promise<Report> {
  const { patience = 10_000, parts } = options;
  const project = await findProject(options.folder);
  const clone = await isClone(project);
  const release = clone ? null : await readRelease();
  const file =
    options.file === undefined
      ? defaultEnvironmentFile(project.root)
      : relative(project.root, resolve(options.file));
  const setting = await readSettings(join(project.root, file));
  const databaseUrl = knownDatabaseUrl(options.databaseUrl, setting);
  const linked = options.projectUrl === undefined ? await linkedProjectUrl(project.root) : undefined;
  const meant = { projectUrl: options.projectUrl ?? linked, isLinked: linked !== undefined };
  const version = release?.version ?? (await packageVersion());
  const publishableKey =
    options.publishableKey ?? setting('SUPABASE_PUBLISHABLE_KEY') ?? setting('SUPABASE_ANON_KEY');
  const reports: PartReport[] = [];

  if (parts.includes('folder')) {
    const { publicFolder, hasWorker: worker } = options;
    const checks = release === null ? FOLDER_CHECKS.slice(0, 1) : FOLDER_CHECKS;
    const isAppAsked = options.appUrl !== undefined && parts.includes('app');
    const files = await runChecks('folder', checks, { project, release, publicFolder, worker, isAppAsked });
    const secrets = await runChecks('folder', SECRET_CHECKS, { project, file, setting });
    reports.push({ ...files, checks: [...files.checks, ...secrets.checks] });
  }

  const subject = { version, file, setting, ...meant, publishableKey, patience };
  const asked = (part: PartName) => parts.includes(part);
  if (asked('database') || asked('functions')) {
    const examineBoth = async (sql: postgres.Sql | undefined, fault: Finding | undefined) => {
      if (asked('database')) {
        reports.push(
          sql === undefined
            ? onlyFinding('database', 'the connection', fault ?? NO_DATABASE)
            : await runChecks(
                'database',
                DATABASE_CHECKS,
                { ...subject, sql, now: options.now ?? Date.now },
                options.fix,
              ),
        );
      }
      if (asked('functions')) reports.push(await examineFunctions(subject, sql));
    };
    if (databaseUrl === undefined) await examineBoth(undefined, undefined);
    else {
      await withDatabase(databaseUrl, async (sql) => {
        const fault = await databaseFault(sql, databaseUrl);
        await examineBoth(fault === undefined ? sql : undefined, fault);
      });
    }
  }

  if (asked('app')) {
    const { appUrl, worker } = options;
    const released = release?.worker ?? null;
    reports.push(
      appUrl === undefined
        ? skippedPart('app', 'give --app-url')
        : await runChecks('app', APP_CHECKS, { appUrl, worker, released, patience }),
    );
  }
  const report = { version, project: project.root, parts: reports, ignored: options.ignored };
  return withoutSecrets(withFile(report, options.file), secretsOf(setting, databaseUrl));
}

const NO_DATABASE: Finding = {
  code: 'database_unknown',
  message: 'It was not said which database is meant.',
  cure: 'Give --database-url, or set SUPABASE_DB_URL; or look at less: --only folder',
};

/** Why nothing can be seen in a database; undefined where something can. */
async function databaseFault(sql: postgres.Sql, databaseUrl: string): Promise<Finding | undefined> {
  try {
    return (await schemaFindings(sql))[0];
  } catch (error) {
    return {
      code: 'database_unreachable',
      message: `The database does not answer from here: ${reasonOf(inWords(error, databaseUrl))}`,
      cure: 'Check the connection string (Dashboard → Connect) and your network.',
    };
  }
}

type AskedFunctions = ProjectMeant & Pick<FunctionFacts, 'version' | 'file' | 'publishableKey' | 'patience'>;

async function examineFunctions(
  { version, file, publishableKey, patience, ...meant }: AskedFunctions,
  sql: postgres.Sql | undefined,
): Promise<PartReport> {
  const known = sql === undefined ? undefined : await readKnown(sql);
  const url = projectToAsk(known?.url ?? null, meant);
  if (url === undefined) {
    return onlyFinding('functions', 'the project', {
      code: 'project_unknown',
      message: 'It was not said which project is meant.',
      cure: 'npx supabase link, or give --project-url',
    });
  }
  const connect = await connectAgain(sql, meant);
  const facts = {
    projectUrl: url,
    version,
    file,
    connect,
    publishableKey,
    patience,
    vapidKey: known?.key,
    sql,
  };
  return await runChecks('functions', FUNCTION_CHECKS, facts);
}

/** What must not be printed. */
function secretsOf(setting: Settings, databaseUrl: string | undefined): string[] {
  const { password } = databaseUrl === undefined ? { password: '' } : new URL(databaseUrl);
  const older = [...(setting('VAPID_PREVIOUS_KEYS') ?? '').matchAll(/"privateKey"\s*:\s*"([^"]*)"/g)];
  return [
    setting('VAPID_PRIVATE_KEY'),
    setting('PUSH_BELL_SECRET'),
    ...older.map(([, key]) => key),
    password,
    decodeURIComponent(password),
  ].filter((secret) => secret !== undefined);
}

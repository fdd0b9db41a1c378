import { basename, dirname, join, relative } from 'node:path';
import { parse } from 'smol-toml';
import type { Change } from '../init/change.ts';
import type { Project } from '../init/find-project.ts';
import { planFunctions } from '../init/functions.ts';
import { wasInterrupted } from '../init/interrupted-run.ts';
import { planMigrations } from '../init/migration.ts';
import { findWebApp } from '../init/public-folder.ts';
import { readOr } from '../init/read-text.ts';
import { InitRefusal } from '../init/refusal.ts';
import { BUNDLE_NAME, type Release } from '../init/release.ts';
import { planWorker } from '../init/worker.ts';
import { reasonOf } from '../run-command.ts';
import type { Check, Finding } from './check.ts';
import { loadsOurs } from './loads-ours.ts';

/** The Edge Functions of Supapush. */
export const FUNCTIONS = ['push-dispatch', 'push-events', 'push-health', 'push-quotes'];

/** What the look at a project's folder is given. */
export interface FolderFacts {
  project: Project;
  /** What the package brings; null in a clone, whose functions are served from its sources. */
  release: Release | null;
  /** The folder that the app serves from its root, where a person has named it. Absolute. */
  publicFolder: string | undefined;
  /** Whether there is to be a service worker. */
  worker: boolean;
  /** Whether the app itself is asked for it, so that what a build makes need not be seen here. */
  isAppAsked: boolean;
}

/** Fewer rows than this make lists of an app slow: the client asks for the next ones again and again. */
export const FEW_ROWS = 100;

type Table = Record<string, unknown>;
const INIT = 'npx supapush init';
const UPGRADE = 'npx supapush upgrade';

/** Whether the functions of a project are served from sources of this repository, as in a clone. */
export async function isClone({ root }: Project): Promise<boolean> {
  const entrypoint = await readOr(join(root, 'supabase/functions/push-dispatch/index.ts'));
  return entrypoint?.includes('src/server/functions/') ?? false;
}

/** What a project with the package in it has; a clone has the first of these alone. */
export const FOLDER_CHECKS: Check<FolderFacts>[] = [
  { name: 'config.toml', look: configFindings },
  { name: 'an interrupted run', look: interruptedFindings },
  { name: 'the migration', look: migrationFindings },
  { name: "the functions' files", look: functionFindings },
  { name: 'the service worker', look: workerFindings },
];

async function configFindings({ project, release }: FolderFacts): Promise<Finding[]> {
  let config: Table;
  try {
    config = parse((await readOr(join(project.root, 'supabase/config.toml'))) ?? '');
  } catch (error) {
    return [
      {
        code: 'config_unreadable',
        message: `supabase/config.toml cannot be read: ${reasonOf(error)}`,
        cure: 'Correct supabase/config.toml.',
      },
    ];
  }
  const functions = tableOf(config.functions);
  const names = release?.functions.map(({ name }) => name) ?? FUNCTIONS;
  const { schemas, max_rows: maxRows } = tableOf(config.api);
  return [
    ...names
      .filter((name) => tableOf(functions[name]).verify_jwt !== false)
      .map((name) => ({
        code: 'function_verifies_jwt',
        message: `supabase/config.toml does not say verify_jwt = false for ${name}: the platform refuses the database, which calls it with a secret of its own.`,
        cure: name in functions ? `Put verify_jwt = false into [functions.${name}].` : INIT,
      })),
    ...(Array.isArray(schemas) && !schemas.includes('public')
      ? [
          {
            code: 'schema_not_exposed',
            message:
              '[api] schemas of supabase/config.toml leaves out public, where the tables and functions for your app are.',
            cure: 'Put "public" into schemas of [api].',
          },
        ]
      : []),
    ...(typeof maxRows === 'number' ? fewRows(maxRows, 'Raise max_rows of [api], such as to 1000.') : []),
  ];
}

/** What a limit of the Data API means. */
export function fewRows(rows: number, cure: string): Finding[] {
  if (rows >= FEW_ROWS) return [];
  const message = `The Data API hands over at most ${rows} rows at a time: lists of your app are cut, and those of the client take a request for each ${rows} rows.`;
  return [{ code: 'max_rows_few', message, cure }];
}

function interruptedFindings({ project }: FolderFacts): Finding[] {
  if (!wasInterrupted(project)) return [];
  return [
    {
      code: 'run_interrupted',
      message: 'A run of supapush was interrupted while it wrote files, and the folder is half written.',
      cure: `Run it again, ${INIT}, upgrade or uninstall: it takes back what is half written first.`,
    },
  ];
}

async function migrationFindings({ project, release }: FolderFacts): Promise<Finding[]> {
  if (release === null) return [];
  const changes = await orRefusal(async () => (await planMigrations(project, release, new Date())).changes);
  if (!Array.isArray(changes)) return [changes];
  return findingsOf(changes, {
    create: () => ({
      code: 'migration_missing',
      message: `There is no migration of Supapush ${release.version} in supabase/migrations.`,
      cure: INIT,
    }),
    kept: (path) => ({
      code: 'migration_changed',
      message: `${relative(project.root, path)} is not what Supapush ${release.version} brings: what was applied and what is written may differ.`,
      cure: `git checkout -- '${relative(project.root, path)}'`,
    }),
  });
}

async function functionFindings({ project, release }: FolderFacts): Promise<Finding[]> {
  if (release === null) return [];
  const changes = await orRefusal(() => planFunctions(project, release));
  if (!Array.isArray(changes)) return [changes];
  return findingsOf(changes, {
    create: (path) => ({
      code: 'function_file_missing',
      message: `${relative(project.root, path)} is missing.`,
      cure: INIT,
    }),
    kept: (path, text) => {
      const name = relative(project.root, path);
      if (basename(path) === BUNDLE_NAME)
        return {
          code: 'function_of_other_release',
          message: `${name} is not that of Supapush ${release.version}.`,
          cure: UPGRADE,
        };
      // The others are the app's to change.
      if (basename(path) !== 'index.ts' || text.includes(BUNDLE_NAME)) return null;
      return {
        code: 'function_serves_another',
        message: `${name} does not import ./${BUNDLE_NAME}, so that it serves something else.`,
        cure: `Import ./${BUNDLE_NAME} in ${name}, and serve it as dist/functions/${basename(dirname(path))}/serve.ts of the package does.`,
      };
    },
  });
}

async function workerFindings({
  project,
  release,
  publicFolder,
  worker,
  isAppAsked,
}: FolderFacts): Promise<Finding[]> {
  if (release === null || !worker) return [];
  const app = await findWebApp(project, publicFolder);
  const { changes, unseen } = await planWorker(project, release, app);
  const isLoaded = unseen === undefined || isAppAsked || (app !== undefined && (await loadsOurs(app.folder)));
  const findings = findingsOf(changes, {
    create: (path) => ({
      code: 'worker_missing',
      message: `${relative(project.repository, path)}, the service worker, is missing: browsers show no pushes.`,
      cure: INIT,
    }),
    patch: (path) => ({
      code: 'worker_not_loaded',
      message: `${relative(project.repository, path)}, your service worker, does not load that of Supapush: browsers show no pushes.`,
      cure: INIT,
    }),
    kept: (path) => ({
      code: 'worker_of_other_release',
      message: `${relative(project.repository, path)} is not the service worker of Supapush ${release.version}.`,
      cure: UPGRADE,
    }),
  });
  return isLoaded
    ? findings
    : [
        ...findings,
        {
          code: 'worker_not_seen',
          message: `Nothing here was seen to load the service worker of Supapush. ${unseen}`,
          cure: 'Do that; or let doctor look at what the app serves: --app-url <address>. Without a web app: --no-worker',
        },
      ];
}

type Named = (path: string, text: string) => Finding | null;

/** What is wrong with files, by what init would make of each. */
function findingsOf(changes: readonly Change[], words: Partial<Record<Change['kind'], Named>>): Finding[] {
  return changes
    .map(({ path, kind, before }) => words[kind]?.(path, before ?? '') ?? null)
    .filter((finding) => finding !== null);
}

/** What init refuses is a finding of the same code. */
async function orRefusal(work: () => Promise<Change[]>): Promise<Change[] | Finding> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InitRefusal)) throw error;
    const cure = error.code === 'other_release' ? UPGRADE : INIT;
    return { code: error.code, message: error.message, cure };
  }
}

function tableOf(value: unknown): Table {
  return typeof value === 'object' && value !== null ? (value as Table) : {};
}

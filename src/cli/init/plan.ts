import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { defaultEnvironmentFile, parseEnvironmentFile, readEnvironmentFile } from '../environment-file.ts';
import { publicKeysIn } from '../vapid-pair.ts';
import { planAgents } from './agents-section.ts';
import { type Change, isPending, planPatch, withLines } from './change.ts';
import { declaresSchema, faultsOf, withFunctions } from './config-toml.ts';
import type { Project } from './find-project.ts';
import { planFunctions } from './functions.ts';
import { IGNORED } from './ignored.ts';
import { planMigrations } from './migration.ts';
import { findWebApp } from './public-folder.ts';
import { isPatchable, readOr } from './read-text.ts';
import { InitRefusal } from './refusal.ts';
import type { Release } from './release.ts';
import { faultsOfCli } from './supabase-cli.ts';
import { planWorker, type WorkerPlan } from './worker.ts';
import { COPY, DRAFT } from './write-changes.ts';

/** What `supapush init` will do to a project. */
export interface Plan {
  changes: Change[];
  /** What a person has to do besides, in words. */
  left: string[];
}

export interface PlanOptions {
  now: Date;
  /** The folder that the app serves from its root, where a person has named it. */
  publicFolder: string | undefined;
  /** Without it the service worker is left out. */
  worker: boolean;
  /** A table of the app with push subscriptions whose rows the migration copies. */
  takeOver?: string | undefined;
  /** The public VAPID key that its devices were made with, in unpadded base64url. */
  vapidKey?: string | undefined;
  /** With a section of AGENTS.md. */
  agents?: boolean;
}

/** Reads the project and says what is to be written; writes nothing. Throws `InitRefusal` where a person has to decide first. */
export async function planInit(project: Project, release: Release, options: PlanOptions): Promise<Plan> {
  const config = await readConfig(project);
  const { takeOver, vapidKey } = options;
  const migrations = await planMigrations(
    project,
    release,
    options.now,
    takeOver === undefined ? undefined : { table: takeOver, vapidKey, known: await knownKeys(project) },
  );
  const functions = await planFunctions(project, release);
  const given = options.publicFolder === undefined ? undefined : resolve(options.publicFolder);
  const worker = options.worker
    ? await planWorker(project, release, await findWebApp(project, given))
    : { changes: [], left: [] };
  const agents = options.agents ? await planAgents(project, release) : { changes: [], left: [] };
  const ours = [...migrations.changes, ...functions];
  const joined = await joinPlans(project, release, config, ours, worker);
  const changes = [...joined.changes, ...agents.changes];
  const left = [...migrations.left, ...joined.left, ...agents.left, ...(await faultsOfCli(project))];
  return { changes, left: [...left, ...keptFiles(project, release, changes)] };
}

/** The public VAPID keys of the secrets on this machine. */
async function knownKeys({ root }: Project): Promise<string[]> {
  const text = await readEnvironmentFile(join(root, defaultEnvironmentFile(root)));
  return publicKeysIn(parseEnvironmentFile(text));
}

/** The text of `config.toml`. Throws `config_refused` where it could not be written again as it is. */
export async function readConfig(project: Project): Promise<string> {
  const config = configPath(project);
  if (!(await isPatchable(config))) {
    throw new InitRefusal(
      'config_refused',
      'supabase/config.toml is not in UTF-8, as TOML has to be: save it in UTF-8, and run init again.',
    );
  }
  return (await readOr(config)) ?? '';
}

const configPath = ({ root }: Project) => join(root, 'supabase/config.toml');

/** The plan for the files of Supapush, the service worker, and those of the app that get lines of ours. */
export async function joinPlans(
  project: Project,
  release: Release,
  config: string,
  ours: readonly Change[],
  worker: WorkerPlan,
): Promise<Plan> {
  const ignored = await planIgnored(project);
  const changes = [
    ...ours,
    planPatch(
      configPath(project),
      config,
      withFunctions(config, release.functions),
      'these functions check callers themselves: verify_jwt = false',
    ),
    ...ignored.changes,
    ...worker.changes,
  ];
  const left = [
    ...worker.left,
    ...ignored.left,
    ...faultsOf(config),
    ...declaredSchema(project, config),
    ...(await draftsOfOtherRuns(project, changes)),
  ];
  return { changes, left };
}

/** What is left as it is, in words. */
export function keptFiles(
  { repository }: Project,
  { version }: Release,
  changes: readonly Change[],
): string[] {
  return changes
    .filter(({ kind }) => kind === 'kept')
    .map(
      ({ path }) =>
        `${relative(repository, path)} differs from what ${version} brings, and was left as it is.`,
    );
}

async function planIgnored(project: Project): Promise<Plan> {
  const path = join(project.root, '.gitignore');
  const text = await readOr(path);
  const there = (text ?? '').split(/\r?\n/).map((line) => line.trim());
  const missing = IGNORED.lines.filter((line) => !there.includes(line) && !there.includes(`/${line}`));
  const why = 'secrets and local state stay out of git';
  if (missing.length === 0) return { changes: [planPatch(path, text, text ?? '', why)], left: [] };
  if (!(await isPatchable(path))) {
    const name = relative(project.repository, path);
    return {
      changes: [],
      left: [`${name} is not in UTF-8, and was left as it is. Add these lines: ${missing.join(', ')}`],
    };
  }
  const lines = [IGNORED.comment, ...missing].join('\n');
  const after = withLines(text ?? '', text ? `\n${lines}` : lines);
  return {
    changes: [{ path, before: text, after, kind: text === null ? 'create' : 'patch', why }],
    left: [],
  };
}

/** What a person has to know who lets the Supabase CLI make migrations of a declared schema. */
function declaredSchema({ root }: Project, config: string): string[] {
  if (!declaresSchema(config) && !existsSync(join(root, 'supabase/schemas'))) return [];
  return [
    'Your schema is declared in files, and "supabase db diff" would propose to drop what this migration makes, as it is not in them. ' +
      'Leave that out of the migrations that it writes: the schema push, and all that is named push_* in public.',
  ];
}

/** What a run that was killed has left beside these files, and this one does not write over. */
async function draftsOfOtherRuns(project: Project, changes: readonly Change[]): Promise<string[]> {
  const taken = new Set(changes.filter(isPending).flatMap(({ path }) => [path + DRAFT, path + COPY]));
  const folders = [...new Set(changes.map(({ path }) => dirname(path)))].filter((one) => existsSync(one));
  const found = await Promise.all(
    folders.map(async (folder) => (await readdir(folder)).map((name) => join(folder, name))),
  );
  return found
    .flat()
    .filter((path) => (path.endsWith(DRAFT) || path.endsWith(COPY)) && !taken.has(path))
    .map((path) => `${relative(project.repository, path)} is from a run that was interrupted: remove it.`);
}

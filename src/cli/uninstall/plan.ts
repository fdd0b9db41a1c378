import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { SECRETS_FILE } from '../environment-file.ts';
import { planWithoutAgents } from '../init/agents-section.ts';
import { type Change, planFile, planPatch, planRemoval } from '../init/change.ts';
import type { Project } from '../init/find-project.ts';
import { filesOf } from '../init/functions.ts';
import { IGNORED } from '../init/ignored.ts';
import { migrationName, readMigrations, stampAfter } from '../init/migration.ts';
import type { Plan } from '../init/plan.ts';
import { isPatchable, readOr } from '../init/read-text.ts';
import { InitRefusal } from '../init/refusal.ts';
import type { Release, ReleasedFunction } from '../init/release.ts';
import { hasBundle, namesOf, type WorkerFolders, workerFolders } from '../init/worker-folders.ts';
import { withoutFunctions } from './config-toml.ts';
import { uninstallSql } from './uninstall-sql.ts';
import { planWorkers } from './worker.ts';

/**
 * Reads the project and says what is to be removed, and the migration that is to be written; writes nothing.
 *
 * @param publicFolder the folder that the project's app serves from its root, where a person has named it; absolute
 * @throws `other_release` where the project has another release than this package.
 */
export async function planUninstall(
  project: Project,
  release: Release,
  now: Date,
  publicFolder?: string,
): Promise<Plan> {
  const shown = (path: string) => relative(project.repository, path);
  const migrations = await readMigrations(project);
  // Where init has not been, lines of `.gitignore` may be a person's, as in a clone of Supapush.
  if (!migrations.ever && !hasBundle(project.root, release)) return { changes: [], left: [] };
  const migration = planMigration(project, release, migrations, now);
  const functions = await planFunctions(project, release, shown);
  const config = await planConfig(project, functions.gone);
  const folders = await workerFolders(project, release, publicFolder);
  const worker = await planWorkers(project, release, folders);
  const ignored = await planIgnored(project);
  const agents = await planAgents(project, folders);
  const changes = [
    ...migration,
    ...functions.changes,
    ...config.changes,
    ...ignored.changes,
    ...worker.changes,
    ...agents.changes,
  ];
  const kept = changes
    .filter(({ kind }) => kind === 'kept')
    .map(({ path }) => `${shown(path)} was changed, or is of another release, and was left as it is.`);
  return {
    changes: changes.filter(({ kind }) => kind !== 'unchanged'),
    left: [...functions.left, ...config.left, ...ignored.left, ...worker.left, ...agents.left, ...kept],
  };
}

/** The section of `AGENTS.md` goes with the last project of the repository that has Supapush. */
async function planAgents(project: Project, folders: WorkerFolders): Promise<Plan> {
  const plan = await planWithoutAgents(project);
  if (folders.others.length === 0 || plan.changes.length === 0) return plan;
  return {
    changes: [],
    left: [
      `AGENTS.md was left as it is: its section about Supapush is that of ${namesOf(folders, project)} as well.`,
    ],
  };
}

function planMigration(
  project: Project,
  release: Release,
  { files, ours }: { files: string[]; ours: string[] },
  now: Date,
): Change[] {
  const newest = ours.at(-1);
  if (newest === undefined) return [];
  if (!newest.endsWith(`_${migrationName(release)}.sql`)) {
    throw new InitRefusal(
      'other_release',
      `This project has ${newest}, and this package is ${release.version}. Install the package of that version, or upgrade first.`,
    );
  }
  return [
    planFile(
      join(project.root, 'supabase/migrations', `${stampAfter(files, now)}_supapush_uninstall.sql`),
      null,
      uninstallSql(release),
      'takes back what the migration of Supapush made; that one stays, as databases know it',
    ),
  ];
}

interface FunctionsPlan extends Plan {
  /** Functions of which nothing of ours stays. */
  gone: ReleasedFunction[];
}

/** A function goes as a whole, or stays as a whole where a person changed a part of it. */
async function planFunctions(
  project: Project,
  release: Release,
  shown: (path: string) => string,
): Promise<FunctionsPlan> {
  const plan: FunctionsPlan = { changes: [], left: [], gone: [] };
  for (const one of release.functions) {
    const folder = join(project.root, 'supabase/functions', one.name);
    if (!existsSync(folder)) {
      plan.gone.push(one);
      continue;
    }
    const ours = filesOf(one);
    const removals: Change[] = [];
    for (const { name, text } of ours) {
      const path = join(folder, name);
      const there = await readOr(path);
      if (there !== null)
        removals.push(planRemoval(path, there, text, `${one.name}, an Edge Function of Supapush`));
    }
    const changed = removals.filter(({ kind }) => kind === 'kept').map(({ path }) => shown(path));
    if (changed.length > 0) {
      plan.left.push(
        `${shown(folder)} was left as it is: ${changed.join(', ')} was changed, or is of another release. Without its tables it answers ` +
          `with errors: remove it, and [functions.${one.name}] of supabase/config.toml.`,
      );
      continue;
    }
    plan.changes.push(...removals);
    plan.gone.push(one);
    const names = new Set(ours.map(({ name }) => name));
    const others = (await readdir(folder)).filter((name) => !names.has(name));
    if (others.length > 0)
      plan.left.push(`${shown(folder)} has files that are not Supapush's: ${others.join(', ')}.`);
  }
  return plan;
}

async function planConfig(project: Project, gone: readonly ReleasedFunction[]): Promise<Plan> {
  const path = join(project.root, 'supabase/config.toml');
  const before = (await readOr(path)) ?? '';
  const list = (names: string[]) => names.map((name) => `[functions.${name}]`).join(', ');
  if (!(await isPatchable(path))) {
    const names = list(gone.map(({ name }) => name));
    return {
      changes: [],
      left: [`supabase/config.toml is not in UTF-8, and was left as it is: remove ${names}.`],
    };
  }
  const { text, left } = withoutFunctions(before, gone);
  return {
    changes: [planPatch(path, before, text, 'without the settings of the functions')],
    left:
      left.length === 0
        ? []
        : [`supabase/config.toml: ${list(left)} is not as init wrote it: remove it yourself.`],
  };
}

/** The lines stay as long as there is what they keep out of git. */
async function planIgnored(project: Project): Promise<Plan> {
  const path = join(project.root, '.gitignore');
  const text = await readOr(path);
  const there = [SECRETS_FILE, '.supapush'].filter((name) => existsSync(join(project.root, name)));
  const left = there.map((name) =>
    name === SECRETS_FILE
      ? `${name} was left: it has your VAPID pair, without which the devices that you export cannot be reached. ` +
        'Remove it, and its line of .gitignore, when you need it no longer.'
      : `${name} was left: it has the data of the local stack. Remove it, and its line of .gitignore.`,
  );
  if (text === null || there.length > 0 || !(await isPatchable(path))) return { changes: [], left };
  const lines = text.split(/(?<=\n)/);
  const first = lines.findIndex((line) => line.trim() === IGNORED.comment);
  const ours = new Set([IGNORED.comment, ...IGNORED.lines]);
  // The empty line that init put before its own.
  const from = first > 0 && lines[first - 1]?.trim() === '' ? first - 1 : first;
  const rest = lines.filter((line, index) => !ours.has(line.trim()) && index !== from).join('');
  return {
    changes: [
      rest === '' && text !== ''
        ? { path, before: text, after: '', kind: 'remove', why: 'it had nothing but lines of Supapush' }
        : planPatch(path, text, rest, 'without the lines of Supapush'),
    ],
    left,
  };
}

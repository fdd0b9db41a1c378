import { join, relative, resolve } from 'node:path';
import { SECRETS_FILE } from '../environment-file.ts';
import { type Change, planPatch, withLines } from './change.ts';
import { faultsOf, withFunctions } from './config-toml.ts';
import type { Project } from './find-project.ts';
import { planFunctions, readOr } from './functions.ts';
import { planMigration } from './migration.ts';
import { findWebApp } from './public-folder.ts';
import type { Release } from './release.ts';
import { planWorker } from './worker.ts';

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
}

/** Reads the project and says what is to be written; writes nothing. Throws `InitRefusal` where a person has to decide first. */
export async function planInit(project: Project, release: Release, options: PlanOptions): Promise<Plan> {
  const config = join(project.root, 'supabase/config.toml');
  const ignored = join(project.root, '.gitignore');
  const configText = (await readOr(config)) ?? '';
  const ignoredText = await readOr(ignored);
  const migration = await planMigration(project, release, options.now);
  const functions = await planFunctions(project, release);
  const given = options.publicFolder === undefined ? undefined : resolve(options.publicFolder);
  const worker = options.worker
    ? await planWorker(project, release, await findWebApp(project, given))
    : { changes: [], left: [] };
  const changes = [
    migration,
    ...functions,
    planPatch(
      config,
      configText,
      withFunctions(configText, release.functions),
      'these functions check callers themselves: verify_jwt = false',
    ),
    planIgnored(ignored, ignoredText),
    ...worker.changes,
  ];
  const kept = changes
    .filter(({ kind }) => kind === 'kept')
    .map(
      ({ path }) =>
        `${relative(project.repository, path)} differs from what ${release.version} brings, and was left as it is.`,
    );
  return { changes, left: [...worker.left, ...faultsOf(configText), ...kept] };
}

function planIgnored(path: string, text: string | null): Change {
  const there = (text ?? '').split(/\r?\n/).map((line) => line.trim());
  const missing = [SECRETS_FILE, '.supapush/'].filter(
    (line) => !there.includes(line) && !there.includes(`/${line}`),
  );
  const why = 'secrets and local state stay out of git';
  if (missing.length === 0) return planPatch(path, text, text ?? '', why);
  const lines = ['# Supapush: secrets, and the state of the local stack', ...missing].join('\n');
  const after = withLines(text ?? '', text ? `\n${lines}` : lines);
  return { path, before: text, after, kind: text === null ? 'create' : 'patch', why };
}

import { basename, relative } from 'node:path';
import { type Change, lineEndOf, planFile } from '../init/change.ts';
import type { Project } from '../init/find-project.ts';
import { planFunctions } from '../init/functions.ts';
import { planLaterMigrations } from '../init/migration.ts';
import { joinPlans, keptFiles, type Plan, readConfig } from '../init/plan.ts';
import { BUNDLE_NAME, type Release } from '../init/release.ts';
import { releaseOf } from '../init/seal.ts';
import type { WorkerPlan } from '../init/worker.ts';
import { workersIn } from '../init/worker-files.ts';
import { unclearWorker, workerFolders } from '../init/worker-folders.ts';
import { isOurWorker } from '../init/worker-text.ts';

/** What `supapush upgrade` will do to a project. */
export interface UpgradePlan extends Plan {
  /** The release that the project is of. */
  from: string;
}

/**
 * Reads a project of an earlier release and says what is to be written; writes nothing. Files of ours that were not changed since
 * are replaced, bundles always; what a person changed is kept.
 *
 * @param publicFolder the folder that the project's app serves from its root, where a person has named it; absolute
 * @throws `InitRefusal` where a person has to decide first.
 */
export async function planUpgrade(
  project: Project,
  release: Release,
  now: Date,
  publicFolder?: string,
): Promise<UpgradePlan> {
  const config = await readConfig(project);
  const { from, changes: migrations } = await planLaterMigrations(project, release, now);
  const functions = (await planFunctions(project, release)).map(renewed);
  const workers = await planWorkers(project, release, publicFolder);
  const { changes, left } = await joinPlans(project, release, config, [...migrations, ...functions], {
    changes: workers.changes.map(renewed),
    left: workers.left,
  });
  return { from, changes, left: [...left, ...keptFiles(project, release, changes)] };
}

/** A file of ours that is kept by `init` is replaced where no person has changed it; a bundle is no person's to change. */
function renewed(change: Change): Change {
  const { kind, path, before, offered, ...rest } = change;
  if (kind !== 'kept' || before === null || offered === undefined) return change;
  const release = releaseOf(before);
  const isBundle = basename(path) === BUNDLE_NAME;
  if (release === null && !isBundle) return change;
  const after = lineEndOf(before) === '\r\n' ? offered.replaceAll('\n', '\r\n') : offered;
  const was =
    release === null
      ? `that was changed here, which is not kept: ${BUNDLE_NAME}`
      : `of ${release}, unchanged`;
  return { ...rest, path, before, after, kind: 'replace', why: `in place of one ${was}` };
}

/** The ready service workers that apps of the repository have, beside theirs or as their own. */
async function planWorkers(
  project: Project,
  release: Release,
  publicFolder: string | undefined,
): Promise<WorkerPlan> {
  const folders = await workerFolders(project, release, publicFolder);
  const plan: WorkerPlan = { changes: [], left: [] };
  for (const folder of [...folders.own, ...folders.unclear]) {
    for (const { path, text } of await workersIn(folder)) {
      if (!isOurWorker(text)) continue;
      const change = planFile(path, text, release.worker, 'the service worker');
      if (folders.own.includes(folder)) plan.changes.push(change);
      else if (change.kind !== 'unchanged') {
        const shown = relative(project.repository, path);
        plan.left.push(unclearWorker(shown, folders, project, 'run upgrade with --public <its folder>'));
      }
    }
  }
  return plan;
}

import { relative } from 'node:path';
import { type Change, planPatch, planRemoval } from '../init/change.ts';
import type { Project } from '../init/find-project.ts';
import { isPatchable } from '../init/read-text.ts';
import type { Release } from '../init/release.ts';
import type { WorkerPlan } from '../init/worker.ts';
import { workersIn } from '../init/worker-files.ts';
import { unclearWorker, type WorkerFolders } from '../init/worker-folders.ts';
import { isOurWorker, LOADED, loadingOf, withoutImport } from '../init/worker-text.ts';

/** Takes the service worker out of every folder that init may have put it in, and the line that loads it out of the app's own. */
export async function planWorkers(
  project: Project,
  release: Release,
  folders: WorkerFolders,
): Promise<WorkerPlan> {
  const changes: Change[] = [];
  const left: string[] = [];
  let loads = false;
  for (const folder of [...folders.own, ...folders.unclear]) {
    for (const { path, text } of await workersIn(folder)) {
      const shown = relative(project.repository, path);
      if (folders.unclear.includes(folder)) {
        if (isOurWorker(text) || withoutImport(text) !== undefined)
          left.push(unclearWorker(shown, folders, project, 'run uninstall with --public <its folder>'));
        continue;
      }
      if (isOurWorker(text)) {
        changes.push(planRemoval(path, text, release.worker, 'the service worker'));
        continue;
      }
      const loading = loadingOf(text);
      const without = withoutImport(text);
      if (without !== undefined && (await isPatchable(path))) {
        loads = true;
        changes.push(planPatch(path, text, without, `your service worker no longer loads ${LOADED}`));
      } else if (loading !== 'none' && loading !== 'module-without') {
        left.push(`${shown}, your service worker, names Supapush in its own way: take that out of it.`);
      }
    }
  }
  const removed = changes.find(({ kind, path }) => kind === 'remove' && path.endsWith(LOADED));
  if (removed !== undefined && !loads) {
    left.push(
      `/${LOADED} is gone: a service worker that a build writes and that loads it would no longer be installed. Take it out of the build's ` +
        'settings, where it stands as importScripts.',
    );
  }
  return { changes, left };
}

import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type Change, planFile, planPatch } from './change.ts';
import type { Project } from './find-project.ts';
import { readOr } from './functions.ts';
import type { WebApp } from './public-folder.ts';
import type { Release } from './release.ts';

/** Changes, and what is left to a person, in words. */
export interface WorkerPlan {
  changes: Change[];
  left: string[];
}

const OURS = /^\/\* eslint-disable -- the service worker of supapush/;
/** Packages that write a service worker of their own when the app is built. */
const WRITES_WORKER =
  /^(vite-plugin-pwa|@vite-pwa\/.*|@serwist\/.*|.*next-pwa|workbox-.*|@angular\/service-worker)$/;
const LOADED = 'supapush-sw.js';
const GUIDE = 'docs/guides/service-worker.md of the package has the options.';

/** Where the service worker goes: as `sw.js`, or beside a worker that is there, which gets a line that loads it. */
export async function planWorker(
  project: Project,
  release: Release,
  app: WebApp | undefined,
): Promise<WorkerPlan> {
  if (app === undefined) {
    return {
      changes: [],
      left: [
        'No app that browsers load was found. Where yours serves files from its root, put node_modules/supapush/dist/sw.js; or run init again with --public <folder>.',
      ],
    };
  }
  const place = (name: string) => join(app.publicFolder, name);
  const alone = async (name: string, why: string) =>
    planFile(place(name), await readOr(place(name)), release.worker, why);
  const own = ['src/service-worker.js', 'src/service-worker.ts', 'src/service-worker/index.ts']
    .map((name) => join(app.folder, name))
    .find((path) => existsSync(path));
  if (own !== undefined) {
    return {
      changes: [],
      left: [
        `In ${relative(project.repository, own)}, your service worker, add: import { installPush } from 'supapush/service-worker'; installPush(self);`,
      ],
    };
  }
  const plugin = app.packages.find((name) => WRITES_WORKER.test(name));
  if (plugin !== undefined || (await isIgnored(project, app, 'sw.js'))) {
    return {
      changes: [await alone(LOADED, 'the service worker, for yours to load')],
      left: [
        `${plugin ?? 'A build'} writes the service worker of this app. Let it load ours: importScripts('/${LOADED}'). ` +
          'docs/start/frameworks.md of the package says how.',
      ],
    };
  }
  const worker = await readOr(place('sw.js'));
  if (worker === null || OURS.test(worker))
    return { changes: [await alone('sw.js', 'the service worker')], left: [] };
  if (worker.includes('supapush'))
    return { changes: [planPatch(place('sw.js'), worker, worker, 'your service worker')], left: [] };
  if (/^\s*import\b/m.test(worker)) {
    return {
      changes: [],
      left: [
        `${relative(project.repository, place('sw.js'))} is a module: bundle it with import { installPush } from 'supapush/service-worker'; installPush(self); ${GUIDE}`,
      ],
    };
  }
  return {
    changes: [
      await alone(LOADED, 'the service worker, for yours to load'),
      planPatch(place('sw.js'), worker, withImport(worker), `your service worker loads ${LOADED}`),
    ],
    left: [],
  };
}

/** The worker with a line that loads ours before its own handlers, and after a directive, which has to come first. */
function withImport(worker: string): string {
  const end = worker.includes('\r\n') ? '\r\n' : '\n';
  const line = `importScripts('/${LOADED}'); // Supapush: shows pushes and follows clicks${end}`;
  const directive =
    /^(?:\s|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)*(['"])use strict\1;?[^\n]*\n/.exec(worker)?.[0] ?? '';
  return directive + line + worker.slice(directive.length);
}

/** Whether git ignores a file that the app serves, as it does what a build writes; by the plain patterns that apps have. */
async function isIgnored(project: Project, app: WebApp, name: string): Promise<boolean> {
  for (let folder = app.publicFolder; ; folder = dirname(folder)) {
    const lines = (await readOr(join(folder, '.gitignore')))?.split(/\r?\n/) ?? [];
    const path = relative(folder, join(app.publicFolder, name)).split('\\').join('/');
    const patterns = [name, `/${path}`, path, `**/${name}`, `**/public/${name}`, `**/${path}`];
    if (lines.some((line) => patterns.includes(line.trim()))) return true;
    if (folder === project.repository || dirname(folder) === folder) return false;
  }
}

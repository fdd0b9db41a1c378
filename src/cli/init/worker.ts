import { existsSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { type Change, planFile, planPatch } from './change.ts';
import type { Project } from './find-project.ts';
import type { WebApp } from './public-folder.ts';
import { isPatchable, readOr } from './read-text.ts';
import type { Release } from './release.ts';
import { type WorkerFile, workersIn } from './worker-files.ts';
import { isOurWorker, LOADED, loadedScripts, loadingOf, loadLine, withImport } from './worker-text.ts';

/** Changes, and what is left to a person, in words. */
export interface WorkerPlan {
  changes: Change[];
  left: string[];
  /** Of `left`, why it could not be seen that a worker of the app loads ours. */
  unseen?: string;
}

/** Nothing but what a person has to do, so that ours is loaded. */
function unseen(sentence: string, { changes = [], left = [] }: Partial<WorkerPlan> = {}): WorkerPlan {
  return { changes, left: [sentence, ...left], unseen: sentence };
}

/** Packages that write a service worker of their own when the app is built. */
const WRITES_WORKER =
  /^(vite-plugin-pwa|@vite-pwa\/.*|@serwist\/.*|.*next-pwa|workbox-.*|@angular\/service-worker)$/;
const FIREBASE = 'firebase-messaging-sw.js';
const INSTALL = "import { installPush } from 'supapush/service-worker'; installPush(self);";
const GUIDE = 'docs/guides/service-worker.md of the package has the options.';

/** Where the service worker goes: as `sw.js`, or beside a worker that is there, which gets a line that loads it. */
export async function planWorker(
  project: Project,
  release: Release,
  app: WebApp | undefined,
): Promise<WorkerPlan> {
  if (app === undefined) {
    return unseen(
      'No app that browsers load was found. Where yours serves files from its root, put node_modules/supapush/dist/sw.js; or run init again with --public <folder>.',
    );
  }
  const plan = await planInApp(project, release, app);
  const { left } = plan;
  const firebase = join(app.publicFolder, FIREBASE);
  return {
    ...plan,
    left: existsSync(firebase)
      ? [
          ...left,
          `${relative(project.repository, firebase)} is the worker of Firebase, in a scope of its own, and was left as it is. A browser that ` +
            'subscribes with both shows the messages of both.',
        ]
      : left,
  };
}

async function planInApp(project: Project, release: Release, app: WebApp): Promise<WorkerPlan> {
  const shown = (path: string) => relative(project.repository, path);
  const ours = async (name: string, why: string) => {
    const path = join(app.publicFolder, name);
    return planFile(path, await readOr(path), release.worker, why);
  };
  const loaded = () => ours(LOADED, 'the service worker, for yours to load');
  const own = ['src/service-worker.js', 'src/service-worker.ts', 'src/service-worker/index.ts']
    .map((name) => join(app.folder, name))
    .find((path) => existsSync(path));
  if (own !== undefined) {
    return loadingOf((await readOr(own)) ?? '') === 'module'
      ? { changes: [], left: [] }
      : unseen(`In ${shown(own)}, your service worker, add: ${INSTALL}`);
  }
  const workers = await rootWorkers(app);
  const plugin = app.packages.find((name) => WRITES_WORKER.test(name));
  if (plugin !== undefined || (await isBuilt(project, app, workers))) {
    return unseen(
      `${plugin ?? 'A build'} writes the service worker of this app. Let it load ours: importScripts('/${LOADED}'). ` +
        'docs/start/frameworks.md of the package says how.',
      { changes: [await loaded()] },
    );
  }
  const theirs = workers.filter(({ text }) => !isOurWorker(text));
  const [worker] = theirs;
  if (worker === undefined) {
    const name = workers[0]?.name ?? 'sw.js';
    return { changes: [await ours(name, 'the service worker')], left: clientOf(name) };
  }
  const loader = theirs.find(({ text }) =>
    workers.some((one) => isOurWorker(one.text) && loads(text, one.name)),
  );
  if (loader !== undefined) {
    const copies = workers.filter((one) => isOurWorker(one.text) && loads(loader.text, one.name));
    const kept = await Promise.all(
      copies.map(({ name }) => ours(name, 'the service worker, for yours to load')),
    );
    return {
      changes: [...kept, planPatch(loader.path, loader.text, loader.text, 'your service worker')],
      left: clientOf(loader.name),
    };
  }
  if (workers.length > 1) {
    const loading = theirs.find(({ text }) => loadingOf(text) === 'classic');
    if (loading !== undefined) return await planTheirs(loading, loaded, shown);
    const names = workers.map(({ path }) => shown(path)).join(' and ');
    return unseen(
      `${names} are workers of the same scope, of which a browser keeps the one that was registered last. They were left as they are. ` +
        `The one that your pages register needs this as its first line: ${loadLine()} Name it to the client, where it is not /sw.js: ` +
        "createPushClient(supabase, { serviceWorker: '/…' }).",
      { changes: [await loaded()] },
    );
  }
  return await planTheirs(worker, loaded, shown);
}

/** The app's own worker gets a line that loads ours, where it has none yet and is written in a way that has a place for it. */
async function planTheirs(
  { name, path, text }: WorkerFile,
  loaded: () => Promise<Change>,
  shown: (path: string) => string,
): Promise<WorkerPlan> {
  const named = clientOf(name);
  const same = planPatch(path, text, text, 'your service worker');
  switch (loadingOf(text)) {
    case 'classic':
      return { changes: [await loaded(), same], left: named };
    case 'module':
      return { changes: [same], left: named };
    case 'module-without':
      return unseen(`${shown(path)} is a module: bundle it with ${INSTALL} ${GUIDE}`, { left: named });
    case 'unclear':
      return unseen(
        `${shown(path)} names supapush, and has no line that loads ${LOADED}: it was left as it is. Unless Supapush is bundled in it, ` +
          `add as its first line: ${loadLine()}`,
        { changes: [await loaded()], left: named },
      );
    case 'none':
      if (!(await isPatchable(path))) {
        return unseen(
          `${shown(path)} is not in UTF-8, and was left as it is. Add as its first line: ${loadLine()}`,
          { changes: [await loaded()], left: named },
        );
      }
      return {
        changes: [
          await loaded(),
          planPatch(path, text, withImport(text), `your service worker loads ${LOADED}`),
        ],
        left: named,
      };
  }
}

/** Whether a worker loads a script of this name by `importScripts`. */
function loads(worker: string, name: string): boolean {
  return loadedScripts(worker).some((script) => basename(script.replace(/[?#].*$/, '')) === name);
}

/** What the client has to be told, which registers `/sw.js` otherwise. */
function clientOf(name: string): string[] {
  return name === 'sw.js'
    ? []
    : [
        `Your service worker is /${name}. Name it to the client: createPushClient(supabase, { serviceWorker: '/${name}' }).`,
      ];
}

/** The workers that the app serves from its root, and so of the same scope as ours; without the one that another loads. */
async function rootWorkers({ publicFolder }: WebApp): Promise<WorkerFile[]> {
  return (await workersIn(publicFolder)).filter(({ name }) => name !== LOADED);
}

/** Whether git ignores the worker of the app, also before a build has written it. */
async function isBuilt(project: Project, app: WebApp, workers: readonly WorkerFile[]): Promise<boolean> {
  const names =
    workers.length === 0
      ? ['sw.js', 'service-worker.js', 'serviceworker.js']
      : workers.map(({ name }) => name);
  const ignored = await Promise.all(names.map((name) => isIgnored(project, app, name)));
  return ignored.includes(true);
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

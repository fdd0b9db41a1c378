import { expect, test } from 'vitest';
import { runChecks } from '../../../../src/cli/doctor/check.ts';
import { FOLDER_CHECKS, type FolderFacts } from '../../../../src/cli/doctor/folder.ts';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { CONFIG, type LookAlike, released, withLookAlike } from '../init/look-alike.ts';

const APP = { 'supabase/config.toml': CONFIG, 'package.json': '{ "devDependencies": { "vite": "8" } }' };

/** Runs `work` with an app of these files that init has been in. */
function withApp(work: (app: LookAlike) => Promise<void>, files: Record<string, string>): Promise<void> {
  return withLookAlike({ ...APP, ...files }, async (app) => {
    writeChanges((await app.plan()).changes);
    await work(app);
  });
}

async function findings({ folder }: LookAlike, changes: Partial<FolderFacts> = {}) {
  const project = await findProject(folder);
  const facts = {
    project,
    release: released(),
    publicFolder: undefined,
    worker: true,
    isAppAsked: false,
    ...changes,
  };
  const { checks } = await runChecks('folder', FOLDER_CHECKS, facts);
  return checks.flatMap((check) => check.findings);
}

const codes = async (app: LookAlike, changes: Partial<FolderFacts> = {}) =>
  (await findings(app, changes)).map(({ code }) => code);

const PWA = { 'package.json': '{ "devDependencies": { "vite": "8", "vite-plugin-pwa": "1" } }' };
test.each<[string, Record<string, string>]>([
  ['a build', PWA],
  [
    'a build with a comment',
    { ...PWA, 'vite.config.ts': "// workbox: { importScripts: ['/supapush-sw.js'] }\n" },
  ],
  ['a source of the app', { 'src/service-worker.ts': "self.onfetch = null; // 'supapush/service-worker'\n" }],
  ['no app at all', { 'package.json': '{ "dependencies": { "hono": "4" } }' }],
  ['a module', { 'public/sw.js': "import './a.js';\n" }],
  ['one that names it in another way', { 'public/sw.js': 'self.supapush = 1;\n' }],
  ['two of one scope', { 'public/sw.js': 'self;\n', 'public/service-worker.js': 'self;\n' }],
])(
  '%s, of which the worker is not seen to load ours, is a finding, unless the app is asked',
  async (_, files) => {
    await withApp(async (app) => {
      expect(await findings(app)).toMatchObject([
        { code: 'worker_not_seen', cure: expect.stringContaining('--app-url') },
      ]);
      expect(await codes(app, { isAppAsked: true })).toEqual([]);
      expect(await codes(app, { worker: false })).toEqual([]);
    }, files);
  },
);

test.each<[string, Record<string, string>]>([
  [
    'what is set for a build',
    { ...PWA, 'vite.config.ts': "VitePWA({ workbox: { importScripts: ['/supapush-sw.js'] } })\n" },
  ],
  [
    'a source for a build',
    { ...PWA, 'app/sw.ts': "import { installPush } from 'supapush/service-worker';\n" },
  ],
  [
    'a source of the app',
    { 'src/service-worker.ts': "import { installPush } from 'supapush/service-worker';\n" },
  ],
])('%s that loads ours is seen', async (_, files) => {
  await withApp(async (app) => {
    expect(await codes(app)).toEqual([]);
  }, files);
});

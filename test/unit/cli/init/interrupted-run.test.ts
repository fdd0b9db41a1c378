import { mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import type { Change } from '../../../../src/cli/init/change.ts';
import { findProject, type Project } from '../../../../src/cli/init/find-project.ts';
import {
  RECORD,
  settleInterrupted,
  takeBackInterrupted,
  wasInterrupted,
  writeProject,
} from '../../../../src/cli/init/interrupted-run.ts';
import type { Disk } from '../../../../src/cli/init/write-changes.ts';
import { planUninstall } from '../../../../src/cli/uninstall/plan.ts';
import { planUpgrade } from '../../../../src/cli/upgrade/plan-upgrade.ts';
import { CONFIG, type LookAlike, released, withLookAlike } from './look-alike.ts';

const APP = {
  'supabase/config.toml': CONFIG,
  '.gitignore': 'node_modules\n',
  'package.json': '{ "devDependencies": { "vite": "8" } }',
  'public/sw.js': "'use strict';\nself.onfetch = null;\n",
};
const LATER = new Date('2027-01-01T00:00:00Z');
const NEXT = released({
  version: '0.2.0',
  migrations: [...released().migrations, { version: '0.2.0', sql: 'create table push.more ();\n' }],
  functions: released().functions.map((one) => ({ ...one, bundle: `${one.bundle}// more\n` })),
});

/** The disk of a process that is killed at a step: that one leaves half a file, or nothing, and none is done after it. */
function diskKilledAt(killed: number): Disk & { steps: () => number } {
  let step = 0;
  const counted =
    <A extends unknown[]>(work: (...args: A) => void, half?: (...args: A) => void) =>
    (...args: A): void => {
      step += 1;
      if (step === killed) half?.(...args);
      if (step >= killed) throw new Error('killed');
      work(...args);
    };
  const write = (path: string, text: string, mode: number) => writeFileSync(path, text, { flag: 'wx', mode });
  return {
    steps: () => step,
    makeFolder: counted((path: string) => mkdirSync(path)),
    write: counted(write, (path, text, mode) => write(path, text.slice(0, text.length / 2), mode)),
    rename: counted(renameSync),
    remove: counted((path: string) => rmSync(path)),
    removeFolder: counted((path: string) => rmdirSync(path)),
  };
}

type Command = (app: LookAlike) => Promise<Change[]>;
const init: Command = async ({ plan }) => (await plan()).changes;
const COMMANDS: [name: string, before: Command[], command: Command, after: Command][] = [
  // The second run is on another day: its migration has another stamp.
  ['init', [], init, async ({ plan }) => (await plan({ now: LATER })).changes],
  [
    'upgrade',
    [init],
    async ({ folder }) => (await planUpgrade(await findProject(folder), NEXT, LATER)).changes,
    async ({ folder }) => (await planUpgrade(await findProject(folder), NEXT, LATER)).changes,
  ],
  [
    'uninstall',
    [init],
    async ({ folder }) => (await planUninstall(await findProject(folder), released(), LATER)).changes,
    async ({ folder }) => (await planUninstall(await findProject(folder), released(), LATER)).changes,
  ],
];

/** Runs `work` with an app in which these commands were run. */
const withApp = (commands: Command[], work: (app: LookAlike) => Promise<void>) =>
  withLookAlike(APP, async (app) => {
    for (const command of commands) writeProject(await findProject(app.folder), await command(app));
    await work(app);
  });

/** Texts by path, without the stamps of migrations. */
const unstamped = (files: Record<string, string>) =>
  Object.fromEntries(Object.entries(files).map(([path, text]) => [path.replace(/\d{14}/, '…'), text]));

test.each(COMMANDS)(
  '%s, killed at any step, leaves all or nothing once the next run has begun, which then ends as any',
  async (_, before, command, again) => {
    let [steps, whole] = [0, {}];
    await withApp(before, async (app) => {
      const disk = diskKilledAt(Number.POSITIVE_INFINITY);
      writeProject(await findProject(app.folder), await command(app), disk);
      steps = disk.steps();
      whole = unstamped(await app.read());
    });
    expect(steps).toBeGreaterThan(10);
    const ends = { nothing: 0, all: 0 };
    for (let killed = 1; killed <= steps; killed += 1) {
      await withApp(before, async (app) => {
        const project = await findProject(app.folder);
        const untouched = await app.read();
        const changes = await command(app);
        expect(() => writeProject(project, changes, diskKilledAt(killed))).toThrow('killed');
        expect(wasInterrupted(project), `step ${killed}`).toBe(true);
        expect(takeBackInterrupted(project), `step ${killed}`).toEqual([]);
        const found = await app.read();
        const end = isDeepStrictEqual(found, untouched) ? 'nothing' : 'all';
        ends[end] += 1;
        expect(end === 'nothing' ? found : unstamped(found), `step ${killed}`).toEqual(
          end === 'nothing' ? untouched : whole,
        );
        writeProject(project, await again(app));
        expect(unstamped(await app.read()), `step ${killed}`).toEqual(whole);
      });
    }
    expect(Math.min(ends.nothing, ends.all)).toBeGreaterThan(1);
  },
);

/** An app in which init was killed in the middle of its renaming. */
const withHalf = (work: (app: LookAlike) => Promise<void>) =>
  withLookAlike(APP, async (app) => {
    const project = await findProject(app.folder);
    const changes = await init(app);
    const disk = diskKilledAt(Number.POSITIVE_INFINITY);
    let renamed = 0;
    const rename: Disk['rename'] = (from, to) => {
      renamed += 1;
      if (renamed >= changes.length) throw new Error('killed');
      disk.rename(from, to);
    };
    const refuse = () => {
      if (renamed >= changes.length) throw new Error('killed');
    };
    const dead = (name: 'remove' | 'removeFolder') => (path: string) => {
      refuse();
      disk[name](path);
    };
    expect(() =>
      writeProject(project, changes, {
        ...disk,
        rename,
        remove: dead('remove'),
        removeFolder: dead('removeFolder'),
      }),
    ).toThrow('killed');
    await work(app);
  });

test('taking back that is killed as well is taken up by the run after it', async () => {
  for (let killed = 1; killed < 40; killed += 1) {
    await withHalf(async (app) => {
      const project = await findProject(app.folder);
      const disk = diskKilledAt(killed);
      try {
        takeBackInterrupted(project, disk);
      } catch {
        takeBackInterrupted(project);
      }
      expect(await app.read(), `step ${killed}`).toEqual(APP);
    });
  }
});

test('a dry run takes nothing back, and says that there is something', async () => {
  await withHalf(async ({ folder, read }) => {
    const project = await findProject(folder);
    const before = await read();
    expect(settleInterrupted(project, true).said.join()).toMatch(
      /interrupted, and the folder is half written/,
    );
    expect(await read()).toEqual(before);
    expect(settleInterrupted(project, false).said.join()).toMatch(/was taken back first/);
    expect(settleInterrupted(project, false)).toEqual({ said: [], left: [] });
  });
});

test('what a person changed since stays, and is named with what it was before', async () => {
  await withHalf(async ({ folder, read, write }) => {
    await write('supabase/config.toml', `${CONFIG}# mine, after the crash\n`);
    const left = takeBackInterrupted(await findProject(folder));
    expect(left).toEqual([
      'supabase/config.toml was changed after a run that was interrupted, and was left as it is. What it was before is in supabase/config.toml.supapush-old.',
    ]);
    expect(await read()).toEqual({
      ...APP,
      'supabase/config.toml': `${CONFIG}# mine, after the crash\n`,
      'supabase/config.toml.supapush-old': CONFIG,
    });
  });
});

/** A repository `app` with something beside it, in which the record is this one. */
const withRecord = (run: unknown, work: (app: LookAlike, project: Project) => Promise<void>) =>
  withLookAlike(
    { 'app/supabase/config.toml': CONFIG, 'app/.git/HEAD': '', 'mine.supapush-new': 'mine' },
    async (app) => {
      await app.write(`app/${RECORD}`, JSON.stringify(run));
      await mkdir(join(app.folder, 'empty/below'), { recursive: true });
      await mkdir(join(app.folder, 'app/made'));
      await symlink(join(app.folder, 'empty'), join(app.folder, 'app/link'));
      await work(app, await findProject(join(app.folder, 'app')));
    },
  );

test('a record that came with a repository reaches nothing beside it', async () => {
  const folders = ['../empty', '../empty/below', 'link/below', 'made', '..', '.'];
  const files = ['../mine', 'link/mine'].map((path) => ({ path, before: null, after: 'x' }));
  await withRecord({ files, folders }, async (app, project) => {
    const absolute = folders.map((folder) => join(project.root, folder));
    const before = await app.read();
    for (const named of [folders, absolute]) {
      await app.write(`app/${RECORD}`, JSON.stringify({ files, folders: named }));
      takeBackInterrupted(project);
    }
    const { [`app/${RECORD}`]: _record, 'app/made/': _made, ...rest } = before;
    expect(await app.read()).toEqual(rest);
  });
});

test.each([
  ['no object', null],
  ['files that are no list', { files: {}, folders: [] }],
  ['folders that are no list', { files: [], folders: { length: 1 } }],
  ['a file without a path', { files: [{ before: null, after: null }], folders: [] }],
  ['the folder of the project', { files: [{ path: '.', before: 'x', after: null }], folders: ['.'] }],
  ['a folder as a file', { files: [{ path: 'supabase', before: null, after: 'x' }], folders: [] }],
  ['a file as a folder', { files: [], folders: ['supabase/config.toml'] }],
  [
    'a path that no disk has',
    { files: [{ path: 'a'.repeat(9_999), before: null, after: 'x' }], folders: [] },
  ],
])('a record with %s stops no later run', async (_, run) => {
  await withRecord(run, async (app, project) => {
    const { [`app/${RECORD}`]: _record, ...rest } = await app.read();
    takeBackInterrupted(project);
    expect(await app.read()).toEqual(rest);
    expect(settleInterrupted(project, false)).toEqual({ said: [], left: [] });
  });
});

test('what was being written outside of the repository is named, and not said to be taken back', async () => {
  const run = { files: [{ path: '../mine', before: null, after: 'x' }], folders: [] };
  await withRecord(run, async ({ folder }, project) => {
    const { said, left } = settleInterrupted(project, false);
    expect(said.join()).toMatch(/was taken back first, but for what is left to you\.$/);
    expect(left).toEqual([
      expect.stringMatching(/mine is outside of this repository.*Beside it there is .*mine\.supapush-new\.$/),
    ]);
    expect(left.join()).toContain(join(folder, 'mine'));
  });
});

test('while the run that wrote the record goes on, nothing is taken back', async () => {
  const run = { pid: process.ppid, files: [], folders: ['made'] };
  await withRecord(run, async (app, project) => {
    const before = await app.read();
    for (const dry of [true, false])
      expect(() => settleInterrupted(project, dry)).toThrow(
        expect.objectContaining({ code: 'not_written', message: expect.stringContaining(`${process.ppid}`) }),
      );
    expect(await app.read()).toEqual(before);
  });
});

test.each(['EACCES', 'ENOSPC', 'EEXIST'])(
  'a record that cannot be written (%s) is said, and nothing else is',
  async (code) => {
    await withLookAlike(APP, async (app) => {
      const project = await findProject(app.folder);
      const write = (path: string, text: string) => {
        writeFileSync(path, text.slice(0, code === 'ENOSPC' ? 5 : 0));
        if (code === 'EACCES') rmSync(path);
        throw Object.assign(new Error(code), { code });
      };
      const disk = { ...diskKilledAt(Number.POSITIVE_INFINITY), write };
      const changes = await init(app);
      expect(() => writeProject(project, changes, disk)).toThrow(
        expect.objectContaining({
          code: 'not_written',
          message: expect.stringContaining('Nothing was written'),
        }),
      );
      // What another run has recorded is not ours to remove.
      expect(wasInterrupted(project)).toBe(code === 'EEXIST');
      const { [RECORD]: _record, ...rest } = await app.read();
      expect(rest).toEqual(APP);
    });
  },
);

test('a file of a person’s by the name of a draft is no part of what is taken back', async () => {
  await withLookAlike({ ...APP, 'public/sw.js.supapush-old': 'mine' }, async (app) => {
    const project = await findProject(app.folder);
    const changes = await init(app);
    expect(() => writeProject(project, changes)).toThrow(/sw\.js\.supapush-old is there, and is not what/);
    expect(await app.read()).toEqual({ ...APP, 'public/sw.js.supapush-old': 'mine' });
  });
});

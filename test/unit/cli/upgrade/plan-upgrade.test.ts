import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import type { Release } from '../../../../src/cli/init/release.ts';
import { sealed } from '../../../../src/cli/init/seal.ts';
import { writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { planUpgrade, type UpgradePlan } from '../../../../src/cli/upgrade/plan-upgrade.ts';
import { CONFIG, type LookAlike, released, withLookAlike } from '../init/look-alike.ts';

const APP = {
  'supabase/config.toml': CONFIG,
  'supabase/migrations/20260101000000_deals.sql': 'create table public.deals ();\n',
  'package.json': '{ "dependencies": { "vite": "8" } }',
};
const LATER = new Date('2027-01-01T00:00:00Z');

const OWN_WORKER = '/* eslint-disable -- the service worker of supapush */\n';
const INDEX = 'supabase/functions/push-one/index.ts';
const BUNDLE = 'supabase/functions/push-one/supapush.js';

/** Of each release, what it brings has its version in it. */
function release(version: '0.1.0' | '0.2.0' | '0.3.0', changes: Partial<Release> = {}): Release {
  const functions = released().functions.map((one) => ({
    ...one,
    bundle: sealed(`${one.bundle}// ${version}\n`, version),
    entrypoint: sealed(`${one.entrypoint}${version === '0.1.0' ? '' : '// logs\n'}`, version),
  }));
  const later = ['0.2.0', '0.3.0']
    .filter((one) => one <= version)
    .map((one) => ({ version: one, sql: `create table push.more_${one.slice(2, 3)} ();\n` }));
  return released({
    version,
    migrations: [...released().migrations, ...later],
    functions,
    worker: sealed(`${OWN_WORKER}self.${version === '0.1.0' ? 'old' : 'renewed'};\n`, version),
    ...changes,
  });
}

const upgradeOf = async ({ folder }: LookAlike, to: Release): Promise<UpgradePlan> =>
  await planUpgrade(await findProject(folder), to, LATER);

const APPS = ['apps/shop', 'apps/blog'];
/** A repository with two projects that have Supapush, and an app beside them. */
async function withTwoProjects(work: (app: LookAlike) => Promise<void>): Promise<void> {
  const files = APPS.flatMap((name) => Object.entries(APP).map(([path, text]) => [`${name}/${path}`, text]));
  const beside = { '.git/HEAD': '', 'web/public/sw.js': release('0.1.0').worker };
  await withLookAlike({ ...Object.fromEntries(files), ...beside }, async (app) => {
    for (const name of APPS) {
      const publicFolder = join(app.folder, name, 'public');
      writeChanges((await app.plan({ in: name, release: release('0.1.0'), publicFolder })).changes);
    }
    await work(app);
  });
}

const pending = ({ changes }: UpgradePlan, folder: string) =>
  Object.fromEntries(
    changes
      .filter(({ kind }) => kind !== 'unchanged')
      .map(({ path, kind }) => [path.slice(folder.length + 1), kind]),
  );

/** An app in which 0.1.0 was put. */
function withApp(work: (app: LookAlike) => Promise<void>, more: Record<string, string> = {}): Promise<void> {
  return withLookAlike({ ...APP, ...more }, async (app) => {
    writeChanges((await app.plan({ release: release('0.1.0') })).changes);
    await work(app);
  });
}

test('a migration for each later release, new bundles and files of ours that were not changed; then nothing', async () => {
  await withApp(async (app) => {
    const before = await app.read();
    const plan = await upgradeOf(app, release('0.3.0'));
    expect(plan.from).toBe('0.1.0');
    expect(pending(plan, app.folder)).toEqual({
      'supabase/migrations/20270101000000_supapush_0_2_0.sql': 'create',
      'supabase/migrations/20270101000001_supapush_0_3_0.sql': 'create',
      'supabase/functions/push-one/index.ts': 'replace',
      'supabase/functions/push-one/supapush.js': 'replace',
      'supabase/functions/push-two/index.ts': 'replace',
      'supabase/functions/push-two/supapush.js': 'replace',
      'public/sw.js': 'replace',
    });
    expect(plan.left).toEqual([]);
    writeChanges(plan.changes);
    const after = await app.read();
    expect(after['public/sw.js']).toBe(release('0.3.0').worker);
    expect(after[BUNDLE]).toBe(release('0.3.0').functions[0]?.bundle);
    for (const path of Object.keys(before).filter((one) => /sql$|toml$|ignore$|deno\.json$/.test(one)))
      expect(after[path], path).toBe(before[path]);
    const again = await upgradeOf(app, release('0.3.0'));
    expect([again.from, pending(again, app.folder), again.left]).toEqual(['0.3.0', {}, []]);
  });
});

test('migrations come after the newest of the app, whatever its stamp', async () => {
  const newest = 'supabase/migrations/20991231235959_more.sql';
  await withApp(
    async (app) => {
      const { changes } = await upgradeOf(app, release('0.3.0'));
      expect(
        changes.filter(({ kind }) => kind === 'create').map(({ path }) => path.split('/').at(-1)),
      ).toEqual(['21000101000001_supapush_0_2_0.sql', '21000101000002_supapush_0_3_0.sql']);
    },
    { [newest]: 'select 1;' },
  );
});

test('what a person changed is kept, with what the release would have brought; bundles are replaced all the same', async () => {
  await withApp(async (app) => {
    const mine = `${release('0.1.0').functions[0]?.entrypoint}console.log('mine');\n`;
    const worker = (await app.read())['public/sw.js']?.replace('self.old', 'self.mine') ?? '';
    await app.write(INDEX, mine);
    await app.write('public/sw.js', worker);
    await app.write(BUNDLE, 'patched by hand\n');
    const plan = await upgradeOf(app, release('0.2.0'));
    expect(pending(plan, app.folder)).toMatchObject({
      [INDEX]: 'kept',
      'public/sw.js': 'kept',
      [BUNDLE]: 'replace',
    });
    const kept = plan.changes.find(({ path }) => path === join(app.folder, INDEX));
    expect(kept?.offered).toBe(release('0.2.0').functions[0]?.entrypoint);
    expect(plan.changes.find(({ path }) => path === join(app.folder, BUNDLE))?.why).toContain(
      'in place of one that was changed here, which is not kept',
    );
    expect(plan.left).toEqual([
      `${INDEX} differs from what 0.2.0 brings, and was left as it is.`,
      'public/sw.js differs from what 0.2.0 brings, and was left as it is.',
    ]);
    writeChanges(plan.changes);
    const after = await app.read();
    expect([after[INDEX], after['public/sw.js']]).toEqual([mine, worker]);
    expect(pending(await upgradeOf(app, release('0.2.0')), app.folder)).toEqual({
      [INDEX]: 'kept',
      'public/sw.js': 'kept',
    });
  });
});

test('a migration that a person changed is left: what was applied is not written anew', async () => {
  await withApp(async (app) => {
    const path = 'supabase/migrations/20261129120000_supapush_0_1_0.sql';
    await app.write(path, 'create schema push; -- mine\n');
    const plan = await upgradeOf(app, release('0.2.0'));
    const change = plan.changes.find((one) => one.path === join(app.folder, path));
    expect([change?.kind, change?.offered]).toEqual(['kept', undefined]);
    expect(plan.left).toEqual([`${path} differs from what 0.2.0 brings, and was left as it is.`]);
  });
});

test('line ends of Windows are no change, and stay', async () => {
  await withApp(async (app) => {
    for (const [path, text] of Object.entries(await app.read()))
      await app.write(path, text.replaceAll('\n', '\r\n'));
    const plan = await upgradeOf(app, release('0.2.0'));
    expect(Object.values(pending(plan, app.folder))).not.toContain('kept');
    writeChanges(plan.changes);
    expect((await app.read())[INDEX]).toBe(
      release('0.2.0').functions[0]?.entrypoint.replaceAll('\n', '\r\n'),
    );
    expect(pending(await upgradeOf(app, release('0.2.0')), app.folder)).toEqual({});
  });
});

test('the worker that an app loads is replaced, its own is not; without one of ours none is made', async () => {
  await withApp(
    async (app) => {
      expect(pending(await upgradeOf(app, release('0.2.0')), app.folder)).toMatchObject({
        'public/supapush-sw.js': 'replace',
      });
      writeChanges((await upgradeOf(app, release('0.2.0'))).changes);
      expect((await app.read())['public/sw.js']).toContain("self.addEventListener('fetch'");
    },
    { 'public/sw.js': "self.addEventListener('fetch', () => {});\n" },
  );
  await withLookAlike(APP, async (app) => {
    writeChanges((await app.plan({ release: release('0.1.0'), worker: false })).changes);
    expect(Object.keys(pending(await upgradeOf(app, release('0.2.0')), app.folder)).join()).not.toContain(
      'sw.js',
    );
  });
});

test('workers of several apps are found', async () => {
  await withLookAlike(
    {
      'supabase/config.toml': CONFIG,
      '.git/HEAD': '',
      'apps/web/public/sw.js': release('0.1.0').worker,
      'apps/shop/static/supapush-sw.js': release('0.1.0').worker,
    },
    async (app) => {
      writeChanges((await app.plan({ release: release('0.1.0'), worker: false })).changes);
      expect(pending(await upgradeOf(app, release('0.2.0')), app.folder)).toMatchObject({
        'apps/web/public/sw.js': 'replace',
        'apps/shop/static/supapush-sw.js': 'replace',
      });
    },
  );
});

test.each(['serviceWorker.js', 'SW.js', 'push-worker.js'])(
  'our worker by the name of %s is replaced',
  async (name) => {
    await withApp(
      async (app) => {
        expect(pending(await upgradeOf(app, release('0.2.0')), app.folder)).toMatchObject({
          [`public/${name}`]: 'replace',
        });
        expect(Object.keys(pending(await upgradeOf(app, release('0.2.0')), app.folder))).not.toContain(
          'public/vendor.js',
        );
      },
      { [`public/${name}`]: release('0.1.0').worker, 'public/vendor.js': 'self.vendor = 1;\n' },
    );
  },
);

test('of several projects each gets its own worker; one beside them is named, and is that of the project it is given to', async () => {
  await withTwoProjects(async (app) => {
    const shop = await findProject(join(app.folder, 'apps/shop'));
    const plan = await planUpgrade(shop, release('0.2.0'), LATER);
    const paths = Object.keys(pending(plan, app.folder));
    expect(paths.filter((path) => path.endsWith('sw.js'))).toEqual(['apps/shop/public/sw.js']);
    expect(paths.filter((path) => !path.startsWith('apps/shop/'))).toEqual([]);
    expect(plan.left).toEqual([
      expect.stringMatching(
        /^web\/public\/sw\.js may be of another project with Supapush \(apps\/blog\).*--public/,
      ),
    ]);
    const given = await planUpgrade(shop, release('0.2.0'), LATER, join(app.folder, 'web/public'));
    expect(
      Object.keys(pending(given, app.folder))
        .filter((path) => path.endsWith('sw.js'))
        .sort(),
    ).toEqual(['apps/shop/public/sw.js', 'web/public/sw.js']);
    expect(given.left).toEqual([]);
  });
});

test('a function that is new in a release gets its folder and its section', async () => {
  const three = {
    ...released().functions[0],
    name: 'push-three',
    section: '[functions.push-three]\nverify_jwt = false',
  };
  const next = release('0.2.0');
  await withApp(async (app) => {
    const plan = await upgradeOf(app, { ...next, functions: [...next.functions, three as never] });
    expect(pending(plan, app.folder)).toMatchObject({
      'supabase/functions/push-three/index.ts': 'create',
      'supabase/config.toml': 'patch',
    });
  });
});

test('tables of the app that a later release makes as well stop it, and nothing is written', async () => {
  await withApp(async (app) => {
    await app.write('supabase/migrations/20260202000000_x.sql', 'create table push.more_2 ();\n');
    const before = await app.read();
    await expect(upgradeOf(app, release('0.2.0'))).rejects.toThrow(/table push\.more_2, made by/);
    expect(await app.read()).toEqual(before);
  });
});

test('a project without Supapush, and one of a later release, are told what to do', async () => {
  await withLookAlike(APP, (app) =>
    expect(upgradeOf(app, release('0.2.0'))).rejects.toThrow(/nothing to upgrade\. Run: npx supapush init/),
  );
  await withApp(async (app) => {
    writeChanges((await upgradeOf(app, release('0.2.0'))).changes);
    await expect(upgradeOf(app, release('0.1.0'))).rejects.toThrow(
      /supapush_0_2_0\.sql, and this package, 0\.1\.0, does not know that release/,
    );
  });
});

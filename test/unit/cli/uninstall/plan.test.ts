import { mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { type Disk, writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { planUninstall } from '../../../../src/cli/uninstall/plan.ts';
import { CONFIG, type LookAlike, NOW, released, withLookAlike } from '../init/look-alike.ts';

const APP = {
  'supabase/config.toml': `${CONFIG}\n[api]\nschemas = ["public"] # mine\n\n# mine as well\n[functions.hello]\nverify_jwt = true\n`,
  'supabase/migrations/20260101000000_app.sql': 'create table deals ();\n',
  'supabase/functions/hello/index.ts': '// mine\n',
  '.gitignore': 'node_modules\n',
  'package.json': '{ "devDependencies": { "vite": "8" } }',
  'public/sw.js': "'use strict';\nself.onfetch = null;\n",
};
const INSTALLED = 'supabase/migrations/20261129120000_supapush_0_1_0.sql';
const UNINSTALLED = 'supabase/migrations/20261129120001_supapush_uninstall.sql';

const install = async ({ plan }: LookAlike) => writeChanges((await plan()).changes);
const planned = async ({ folder }: LookAlike, release = released()) =>
  await planUninstall(await findProject(folder), release, NOW);

/** The files without the migrations that init and uninstall leave behind. */
async function ownFiles(app: LookAlike): Promise<Record<string, string>> {
  const { [INSTALLED]: _, [UNINSTALLED]: __, ...own } = await app.read();
  return own;
}

test.each([
  ['an app with a worker of its own', APP],
  [
    'an app without a worker and .gitignore',
    { 'supabase/config.toml': CONFIG, 'package.json': APP['package.json'] },
  ],
  ['plain pages', { 'supabase/config.toml': CONFIG, 'index.html': '<html></html>' }],
  [
    'Windows line ends',
    { ...APP, 'supabase/config.toml': CONFIG.replaceAll('\n', '\r\n'), '.gitignore': 'node_modules\r\n' },
  ],
  ['a worker that begins with a byte order mark', { ...APP, 'public/sw.js': '\uFEFFself.onfetch = null;\n' }],
  [
    'functions before other sections',
    { ...APP, 'supabase/config.toml': `[functions.hello]\nverify_jwt = true\n[db]\nport = 1\n` },
  ],
])('%s: init and uninstall leave the folder as it was, but for the migrations', async (_, files) => {
  await withLookAlike(files, async (app) => {
    await install(app);
    const plan = await planned(app);
    expect(plan.left).toEqual([]);
    writeChanges(plan.changes);
    expect(await ownFiles(app)).toEqual(files);
    const migrations = Object.keys(await app.read()).filter((name) => name.includes('supapush'));
    expect(migrations).toEqual([INSTALLED, UNINSTALLED]);
    expect((await planned(app)).changes).toEqual([]);
  });
});

test('a section of AGENTS.md goes as well, unless a person changed it', async () => {
  for (const own of [undefined, '# Mine\n']) {
    const files = own === undefined ? APP : { ...APP, 'AGENTS.md': own };
    await withLookAlike(files, async (app) => {
      writeChanges((await app.plan({ agents: true })).changes);
      const text = (await app.read())['AGENTS.md'] ?? '';
      await app.write('AGENTS.md', text.replace('Ask for permission', 'Never ask for permission'));
      expect((await planned(app)).left).toContainEqual(expect.stringContaining('AGENTS.md has a section'));
      await app.write('AGENTS.md', text);
      writeChanges((await planned(app)).changes);
      expect(await ownFiles(app)).toEqual(files);
    });
  }
});

test('of several projects in a repository the others keep their workers, and AGENTS.md', async () => {
  const projects = ['apps/shop', 'apps/blog'];
  const files = projects.flatMap((name) =>
    Object.entries(APP).map(([path, text]) => [`${name}/${path}`, text]),
  );
  const beside = { '.git/HEAD': '', 'web/public/sw.js': released().worker };
  await withLookAlike({ ...Object.fromEntries(files), ...beside }, async (app) => {
    for (const name of projects) {
      const publicFolder = join(app.folder, name, 'public');
      writeChanges((await app.plan({ in: name, publicFolder, agents: true })).changes);
    }
    const shop = await findProject(join(app.folder, 'apps/shop'));
    const uninstall = async (publicFolder?: string) =>
      await planUninstall(shop, released(), NOW, publicFolder && join(app.folder, publicFolder));
    const { changes, left } = await uninstall();
    expect(changes.filter(({ path }) => !path.startsWith(join(app.folder, 'apps/shop/')))).toEqual([]);
    expect(changes.map(({ path }) => path)).toContain(join(app.folder, 'apps/shop/public/supapush-sw.js'));
    expect(left).toContainEqual(
      expect.stringMatching(/^web\/public\/sw\.js may be .* \(apps\/blog\).*--public/),
    );
    expect(left).toContainEqual(
      expect.stringMatching(/^AGENTS\.md was left as it is: .* apps\/blog as well/),
    );
    const given = (await uninstall('web/public')).changes.map(({ path }) => path);
    expect(given).toContain(join(app.folder, 'web/public/sw.js'));
    expect(given).toContain(join(app.folder, 'apps/shop/public/supapush-sw.js'));
  });
});

test('after it, init installs again, with a migration of its own after that', async () => {
  await withLookAlike(APP, async (app) => {
    await install(app);
    writeChanges((await planned(app)).changes);
    await install(app);
    expect(await app.read()).toHaveProperty(['supabase/migrations/20261129120002_supapush_0_1_0.sql']);
    expect((await planned(app)).changes.filter(({ kind }) => kind === 'create')).toHaveLength(1);
  });
});

test('what a person changed is kept, and named', async () => {
  await withLookAlike(APP, async (app) => {
    await install(app);
    const files = await app.read();
    const changed = {
      'supabase/functions/push-one/index.ts': `// mine\nimport './supapush.js';\n`,
      'supabase/config.toml': (files['supabase/config.toml'] ?? '').replace(
        '[functions.push-two]\n',
        '[functions.push-two]\nenabled = true\n',
      ),
      'public/supapush-sw.js': `${files['public/supapush-sw.js']}// mine\n`,
      'public/sw.js': "importScripts('/a.js', '/supapush-sw.js');\n",
    };
    for (const [name, text] of Object.entries(changed)) await app.write(name, text);
    const plan = await planned(app);
    writeChanges(plan.changes);
    const after = await app.read();
    expect(after).toMatchObject({ ...changed, 'supabase/config.toml': expect.any(String) });
    expect(after).toHaveProperty(['supabase/functions/push-one/supapush.js']);
    expect(after).not.toHaveProperty(['supabase/functions/push-two/index.ts']);
    expect(after['supabase/config.toml']).toContain('[functions.push-one]');
    expect(after['supabase/config.toml']).toContain('[functions.push-two]\nenabled = true');
    for (const name of ['push-one/index.ts', '[functions.push-two]', 'public/supapush-sw.js', 'public/sw.js'])
      expect(plan.left).toContainEqual(expect.stringContaining(name));
  });
});

test('secrets stay, and stay out of git', async () => {
  await withLookAlike(APP, async (app) => {
    await install(app);
    await app.write('supabase/functions/.env.supapush', 'VAPID_PRIVATE_KEY=x\n');
    const plan = await planned(app);
    writeChanges(plan.changes);
    const after = await app.read();
    expect(after['.gitignore']).toContain('supabase/functions/.env.supapush');
    expect(after).toHaveProperty(['supabase/functions/.env.supapush']);
    expect(plan.left).toContainEqual(
      expect.stringMatching(/^supabase\/functions\/\.env\.supapush was left: it has your VAPID pair/),
    );
  });
});

test('a build that loads the worker is to be told', async () => {
  const files = {
    'supabase/config.toml': CONFIG,
    'package.json': '{ "devDependencies": { "vite": "8", "vite-plugin-pwa": "1" } }',
  };
  await withLookAlike(files, async (app) => {
    await install(app);
    const plan = await planned(app);
    expect(plan.left).toContainEqual(expect.stringMatching(/^\/supapush-sw\.js is gone: .*importScripts/));
  });
});

test('where init has not been, nothing is touched', async () => {
  const files = { ...APP, '.gitignore': '.supapush/\n' };
  await withLookAlike(files, async (app) => {
    expect(await planned(app)).toEqual({ changes: [], left: [] });
  });
});

test('another release is not removed by this one', async () => {
  await withLookAlike(APP, async (app) => {
    await install(app);
    await expect(planned(app, released({ version: '0.2.0' }))).rejects.toMatchObject({
      code: 'other_release',
    });
  });
});

/** The disk, which fails at one step. */
function failingDisk(failing: number): Disk {
  let step = 0;
  const counted =
    <A extends unknown[]>(work: (...args: A) => void) =>
    (...args: A) => {
      step += 1;
      if (step === failing) throw new Error(`no room for step ${step}`);
      work(...args);
    };
  return {
    makeFolder: counted((path: string) => mkdirSync(path)),
    write: counted((path: string, text: string, mode: number) =>
      writeFileSync(path, text, { flag: 'wx', mode }),
    ),
    rename: counted(renameSync),
    remove: counted((path: string) => rmSync(path)),
    removeFolder: counted((path: string) => rmdirSync(path)),
  };
}

test('interrupted at any step, it leaves the folder as it was', async () => {
  await withLookAlike(APP, async (app) => {
    await install(app);
    const before = await app.read();
    const { changes } = await planned(app);
    let failing = 0;
    const interrupted = () => {
      failing += 1;
      try {
        writeChanges(changes, failingDisk(failing));
        return false;
      } catch (error) {
        expect(String(error)).toMatch(/no room for step .*Nothing was written\.$/);
        return true;
      }
    };
    while (interrupted()) expect(await app.read(), `step ${failing}`).toEqual(before);
    expect(failing).toBeGreaterThan(20);
    expect(Object.keys(await app.read()).filter((name) => /supapush-(new|old)$/.test(name))).toEqual([]);
  });
});

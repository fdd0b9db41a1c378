import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { stampAfter } from '../../../../src/cli/init/migration.ts';
import type { Plan } from '../../../../src/cli/init/plan.ts';
import { writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { CONFIG, NOW, released, withLookAlike } from './look-alike.ts';

const APP = {
  'supabase/config.toml': CONFIG,
  'supabase/migrations/20260101000000_deals.sql': 'create table public.deals ();\n',
};

/** What becomes of each file, by its path in the folder. */
const kinds = ({ changes }: Plan, folder: string) =>
  Object.fromEntries(changes.map(({ path, kind }) => [path.slice(folder.length + 1), kind]));

test('all that is missing is made, with a reason each, and a second run changes nothing', async () => {
  await withLookAlike(APP, async ({ folder, plan, read }) => {
    const first = await plan();
    expect(kinds(first, folder)).toEqual({
      'supabase/migrations/20261129120000_supapush_0_1_0.sql': 'create',
      'supabase/functions/push-one/index.ts': 'create',
      'supabase/functions/push-one/supapush.js': 'create',
      'supabase/functions/push-one/deno.json': 'create',
      'supabase/functions/push-two/index.ts': 'create',
      'supabase/functions/push-two/supapush.js': 'create',
      'supabase/functions/push-two/deno.json': 'create',
      'supabase/config.toml': 'patch',
      '.gitignore': 'create',
    });
    for (const { why } of first.changes) expect(why.length).toBeGreaterThan(5);
    writeChanges(first.changes);
    const written = await read();
    const second = await plan({ now: new Date('2027-05-05T00:00:00Z') });
    expect(new Set(second.changes.map(({ kind }) => kind))).toEqual(new Set(['unchanged']));
    writeChanges(second.changes);
    expect(await read()).toEqual(written);
  });
});

test('what a person changed is kept, and named', async () => {
  await withLookAlike(APP, async ({ folder, plan, read, write }) => {
    writeChanges((await plan()).changes);
    const mine = `// mine\nimport './supapush.js';\n`;
    await write('supabase/functions/push-one/index.ts', mine);
    const { changes, left } = await plan();
    expect(kinds({ changes, left }, folder)['supabase/functions/push-one/index.ts']).toBe('kept');
    expect(left).toContainEqual(expect.stringContaining('push-one/index.ts differs from what 0.1.0 brings'));
    writeChanges(changes);
    expect((await read())['supabase/functions/push-one/index.ts']).toBe(mine);
  });
});

test('line ends of Windows are no change', async () => {
  await withLookAlike(APP, async ({ plan, read, write }) => {
    writeChanges((await plan()).changes);
    for (const [path, text] of Object.entries(await read())) await write(path, text.replaceAll('\n', '\r\n'));
    expect(new Set((await plan()).changes.map(({ kind }) => kind))).toEqual(new Set(['unchanged']));
  });
});

test('where no stamp sorts later, it says so', () => {
  for (const file of ['9_a.sql', '99999999999999_a.sql'])
    expect(() => stampAfter([file], NOW)).toThrow(`No migration can sort after ${file}`);
});

test.each([
  [[], '20261129120000'],
  [['20260101000000_a.sql', '0001_b.sql'], '20261129120000'],
  [['20261231235959_a.sql'], '20270101000000'],
  [['20261129120000_a.sql'], '20261129120001'],
  [['20261129120099_a.sql'], '20261129120100'],
  [['2_a.sql'], '3'],
  [['0099_z.sql', '0098_z.sql'], '20261129120000'],
])('after %j comes %s', (files, stamp) => {
  expect(stampAfter(files, NOW)).toBe(stamp);
  for (const file of files) expect(`${stamp}_x.sql` > file).toBe(true);
});

test.each([
  [
    'a table of that name',
    'create table push_quotes ();',
    /table public\.push_quotes, made by supabase\/migrations\/20260202000000_x\.sql/,
  ],
  ['the schema', 'create schema if not exists push;', /schema push, made by/],
  ['a function', 'create function public.push_tell(a int) returns void', /function public\.push_tell/],
])('%s that the app has already stops it before anything is written', async (_, sql, message) => {
  await withLookAlike(
    { ...APP, 'supabase/migrations/20260202000000_x.sql': sql },
    async ({ plan, read, write }) => {
      const before = await read();
      await expect(plan()).rejects.toThrow(message);
      await expect(plan()).rejects.toThrow(/Nothing was written\. Give each another name/);
      expect(await read()).toEqual(before);
      if (!sql.includes('table')) return;
      await write(
        'supabase/migrations/20260303000000_y.sql',
        'alter table public.push_quotes rename to old_push_quotes;',
      );
      expect((await plan()).changes[0]?.kind).toBe('create');
    },
  );
});

test('a function of the app with one of our names stops it', async () => {
  const own = { ...APP, 'supabase/functions/push-two/index.ts': "Deno.serve(() => new Response('mine'));\n" };
  await withLookAlike(own, ({ plan }) =>
    expect(plan()).rejects.toThrow(/supabase\/functions\/push-two is there, and is not Supapush's/),
  );
});

test('a project of an earlier release is for upgrade, and one of a later release for a later package', async () => {
  const next = released({
    version: '0.2.0',
    migrations: [...released().migrations, { version: '0.2.0', sql: 'create table push.more ();\n' }],
  });
  await withLookAlike(APP, async ({ plan, read }) => {
    writeChanges((await plan()).changes);
    const written = await read();
    await expect(plan({ release: next })).rejects.toThrow(
      'This project has Supapush 0.1.0, and this package is 0.2.0. Run: npx supapush upgrade',
    );
    expect(await read()).toEqual(written);
  });
  await withLookAlike(APP, async ({ plan, folder }) => {
    const { changes } = await plan({ release: next });
    expect(Object.keys(kinds({ changes, left: [] }, folder)).slice(0, 2)).toEqual([
      'supabase/migrations/20261129120000_supapush_0_1_0.sql',
      'supabase/migrations/20261129120001_supapush_0_2_0.sql',
    ]);
    writeChanges(changes);
    expect(new Set((await plan({ release: next })).changes.map(({ kind }) => kind))).toEqual(
      new Set(['unchanged']),
    );
    await expect(plan()).rejects.toThrow(
      /20261129120001_supapush_0_2_0\.sql, and this package, 0\.1\.0, does not know that release. Install the newest package/,
    );
  });
});

test('lines of .gitignore that are there are not repeated', async () => {
  const ignored = { ...APP, '.gitignore': 'node_modules\n/.supapush/' };
  await withLookAlike(ignored, async ({ plan, read }) => {
    writeChanges((await plan()).changes);
    expect((await read())['.gitignore']).toBe(
      'node_modules\n/.supapush/\n\n# Supapush: secrets, and the state of the local stack\nsupabase/functions/.env.supapush\n',
    );
  });
});

test('a project is found in the folder, above it and below it', async () => {
  const nested = {
    'apps/database/supabase/config.toml': CONFIG,
    'apps/web/src/main.ts': '',
    '.git/HEAD': '',
  };
  await withLookAlike(nested, async ({ folder, plan, write }) => {
    for (const place of ['.', 'apps', 'apps/database', 'apps/database/supabase']) {
      expect(await findProject(join(folder, place)), place).toEqual({
        root: join(folder, 'apps/database'),
        repository: folder,
      });
    }
    expect(kinds(await plan(), folder)['apps/database/supabase/functions/push-one/index.ts']).toBe('create');
    await write('apps/other/supabase/config.toml', CONFIG);
    await expect(plan()).rejects.toThrow(/several Supabase projects: apps\/database, apps\/other.*--workdir/);
    await expect(plan({ in: 'apps/web' })).rejects.toThrow(/no supabase\/config\.toml.*npx supabase init/);
  });
});

test.each([
  [
    'schema_paths of config.toml',
    { 'supabase/config.toml': '[db.migrations]\nschema_paths = ["./tables/*.sql"]\n' },
  ],
  ['supabase/schemas', { 'supabase/schemas/deals.sql': 'create table public.deals ();\n' }],
])('with a schema declared by %s, it says what "supabase db diff" would propose', async (_, files) => {
  await withLookAlike({ ...APP, ...files }, async ({ plan }) => {
    expect((await plan()).left).toContainEqual(
      expect.stringMatching(/"supabase db diff" would propose to drop.*the schema push, and all .* push_\*/),
    );
  });
});

test('without one it says nothing of that, as with the empty list that every config.toml has', async () => {
  const empty = { ...APP, 'supabase/config.toml': '[db.migrations]\nenabled = true\nschema_paths = []\n' };
  await withLookAlike(empty, async ({ plan }) => expect((await plan()).left.join()).not.toContain('db diff'));
  await withLookAlike(APP, async ({ plan }) => expect((await plan()).left.join()).not.toContain('db diff'));
});

test('files in another encoding than UTF-8 are left as they are, to the byte', async () => {
  await withLookAlike(APP, async ({ folder, plan, read, write }) => {
    const latin = Buffer.from('# caf\u00e9\nnode_modules\n', 'latin1');
    writeFileSync(join(folder, '.gitignore'), latin);
    const { changes, left } = await plan();
    writeChanges(changes);
    expect(readFileSync(join(folder, '.gitignore'))).toEqual(latin);
    expect(left).toContainEqual(
      '.gitignore is not in UTF-8, and was left as it is. Add these lines: supabase/functions/.env.supapush, .supapush/',
    );

    await write('supabase/config.toml', CONFIG);
    const before = await read();
    writeFileSync(join(folder, 'supabase/config.toml'), latin);
    await expect(plan()).rejects.toThrow(/config\.toml is not in UTF-8.*run init again/);
    expect(readFileSync(join(folder, 'supabase/config.toml'))).toEqual(latin);
    expect(Object.keys(await read())).toEqual(Object.keys(before));
  });
});

test('a folder with nothing but drafts of an interrupted run is one that is not there', async () => {
  const drafts = {
    ...APP,
    'supabase/functions/push-two/index.ts.supapush-new': 'import',
    'supabase/migrations/20261129110000_supapush_0_1_0.sql.supapush-new': 'create',
  };
  await withLookAlike(drafts, async ({ folder, plan, read }) => {
    const { changes, left } = await plan({ worker: false });
    expect(kinds({ changes, left }, folder)['supabase/functions/push-two/index.ts']).toBe('create');
    expect(left).toEqual([
      'supabase/migrations/20261129110000_supapush_0_1_0.sql.supapush-new is from a run that was interrupted: remove it.',
    ]);
    writeChanges(changes);
    expect(Object.keys(await read()).filter((name) => name.includes('functions/'))).toHaveLength(6);
  });
  const more = { ...drafts, 'supabase/functions/push-two/mine.ts': '' };
  await withLookAlike(more, ({ plan }) =>
    expect(plan()).rejects.toThrow(/push-two is there, and is not Supapush's/),
  );
});

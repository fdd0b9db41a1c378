import { expect, test } from 'vitest';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { writeProject } from '../../../../src/cli/init/interrupted-run.ts';
import { planUninstall } from '../../../../src/cli/uninstall/plan.ts';
import { NOW, released, withLookAlike } from './look-alike.ts';

// A repository as Windows checks it out, where git turns every line end into two signs.

const windows = (text: string) => text.replaceAll('\n', '\r\n');
const APP = Object.fromEntries(
  Object.entries({
    'supabase/config.toml': '# mine\nproject_id = "app"\n\n[functions.hello]\nverify_jwt = true\n',
    'supabase/migrations/20260101000000_app.sql':
      '-- create table public.push_quotes ();\ncreate table public.deals (\n  id bigint\n);\ncreate function public.told() returns trigger as $$\nbegin\n  insert into public.devices values (1);\nend;\n$$ language plpgsql;\n',
    'supabase/migrations/20260102000000_devices.sql':
      'create table public.devices (\n  user_id uuid,\n  endpoint text, -- of the browser\n  keys jsonb\n);\n',
    '.gitignore': 'node_modules\n.env\n',
    'AGENTS.md': '# Mine\n\nBe brief.\n',
    'package.json': '{\n  "devDependencies": { "vite": "8" }\n}\n',
    'public/sw.js': "// mine\n'use strict';\nself.onfetch = null;\n",
  }).map(([path, text]) => [path, windows(text)]),
);
const OURS = /_supapush_|supabase\/functions\/|supapush-sw\.js$/;

test('what init adds to files of Windows has their line ends, and uninstall leaves each byte as it was', async () => {
  await withLookAlike(APP, async ({ folder, plan, read }) => {
    const project = await findProject(folder);
    writeProject(project, (await plan({ agents: true })).changes);
    const files = Object.entries(await read()).filter(([path]) => !OURS.test(path));
    expect(files.filter(([path, text]) => text !== APP[path]).map(([path]) => path)).toEqual(
      expect.arrayContaining(['supabase/config.toml', '.gitignore', 'AGENTS.md', 'public/sw.js']),
    );
    for (const [path, text] of files) expect(text.replaceAll('\r\n', ''), path).not.toContain('\n');
    writeProject(project, (await planUninstall(project, released(), NOW)).changes);
    const left = Object.entries(await read()).filter(([path]) => !/_supapush_.*\.sql$/.test(path));
    expect(Object.fromEntries(left)).toEqual(APP);
  });
});

test('checked out anew with line ends of Windows, what init wrote is still its own: nothing to do, and all of it goes', async () => {
  await withLookAlike(APP, async ({ folder, plan, read, write }) => {
    const project = await findProject(folder);
    writeProject(project, (await plan({ agents: true })).changes);
    for (const [path, text] of Object.entries(await read()))
      await write(path, windows(text.replaceAll('\r\n', '\n')));
    const again = await plan({ agents: true });
    expect(again.changes.filter(({ kind }) => kind !== 'unchanged')).toEqual([]);
    expect(again.left.join('\n')).not.toMatch(/differs/);
    const { changes, left } = await planUninstall(project, released(), NOW);
    expect(left).toEqual([]);
    writeProject(project, changes);
    const files = Object.entries(await read()).filter(([path]) => !/_supapush_.*\.sql$/.test(path));
    expect(Object.fromEntries(files)).toEqual(APP);
  });
});

test('migrations of Windows are read as any: what is in a comment is not made, and a table is taken over', async () => {
  await withLookAlike(APP, async ({ plan }) => {
    const { changes, left } = await plan({ takeOver: 'devices' });
    expect(changes.find(({ path }) => /_supapush_0_1_0\.sql$/.test(path))?.after).toContain(
      'from "public"."devices" as o',
    );
    expect(left.join('\n')).toContain('copies the rows of public.devices');
  });
});

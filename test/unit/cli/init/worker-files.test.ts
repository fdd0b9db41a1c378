import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadsOurs } from '../../../../src/cli/doctor/loads-ours.ts';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { workersIn } from '../../../../src/cli/init/worker-files.ts';
import { writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { planUninstall } from '../../../../src/cli/uninstall/plan.ts';
import { planUpgrade } from '../../../../src/cli/upgrade/plan-upgrade.ts';
import { CONFIG, NOW, released, withLookAlike } from './look-alike.ts';

const APP = {
  'supabase/config.toml': CONFIG,
  '.git/HEAD': '',
  'package.json': '{ "devDependencies": { "vite": "8" } }',
};

test('a script that is a folder, or a link that leads nowhere, is passed over by every command', async () => {
  await withLookAlike(APP, async ({ folder, plan }) => {
    const served = join(folder, 'public');
    await mkdir(join(served, 'b.js'), { recursive: true });
    await mkdir(join(served, 'service-worker.js'));
    await symlink(join(folder, 'nowhere.js'), join(served, 'a.js'));
    expect(await workersIn(served)).toEqual([]);
    writeChanges((await plan()).changes);
    expect((await workersIn(served)).map(({ name }) => name)).toEqual(['sw.js']);
    const project = await findProject(folder);
    const later = await planUpgrade(project, released(), NOW);
    expect(new Set(later.changes.map(({ kind }) => kind))).toEqual(new Set(['unchanged']));
    const { changes } = await planUninstall(project, released(), NOW);
    expect(changes.map(({ path }) => path)).toContain(join(served, 'sw.js'));
    expect(await loadsOurs(folder)).toBe(false);
  });
});

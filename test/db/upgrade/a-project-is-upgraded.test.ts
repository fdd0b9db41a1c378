import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findProject, type Project } from '../../../src/cli/init/find-project.ts';
import { migrationName } from '../../../src/cli/init/migration.ts';
import { planInit } from '../../../src/cli/init/plan.ts';
import { readRelease } from '../../../src/cli/init/release.ts';
import { writeChanges } from '../../../src/cli/init/write-changes.ts';
import { planUpgrade } from '../../../src/cli/upgrade/plan-upgrade.ts';
import { migrate } from '../../support/next-release.ts';
import { makeNext, plantPackage } from '../../support/planted-package.ts';
import { useDatabase } from '../../support/use-database.ts';
import { textsOf } from '../../unit/cli/init/look-alike.ts';

const INIT = { now: new Date('2026-12-01T00:00:00Z'), publicFolder: undefined, worker: false };

const db = useDatabase();
let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-upgrade-'));
  await plantPackage(join(home, '0.1.0'));
  await cp(join(home, '0.1.0'), join(home, '0.2.0'), { recursive: true });
  await makeNext(join(home, '0.2.0'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

async function makeApp(name: string): Promise<Project> {
  const folder = join(home, name);
  for (const [path, text] of Object.entries({
    'supabase/config.toml': 'project_id = "shop"\n',
    'supabase/migrations/20260101000000_orders.sql': 'create table public.orders (id int);\n',
  })) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return await findProject(folder);
}

/** The texts of an app's files by their names, migrations without their stamps. */
async function textsOfApp({ root }: Project): Promise<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(await textsOf(root)).map(([path, text]) => [
      path.replace(/\d{14}_supapush/, 'supapush'),
      text,
    ]),
  );
}

test('a project that is upgraded has what one has that begins with the later release, and its database follows', async () => {
  const [first, next] = await Promise.all([
    readRelease(join(home, '0.1.0')),
    readRelease(join(home, '0.2.0')),
  ]);
  const [old, young] = [await makeApp('old'), await makeApp('young')];
  writeChanges((await planInit(old, first, INIT)).changes);
  const upgrade = await planUpgrade(old, next, new Date('2027-12-01T00:00:00Z'));
  expect(upgrade.from).toBe('0.1.0');
  writeChanges(upgrade.changes);
  writeChanges((await planInit(young, next, INIT)).changes);
  const texts = await textsOfApp(old);
  expect(texts).toEqual(await textsOfApp(young));

  const { sql } = db();
  await migrate(sql, texts['supabase/migrations/supapush_0_2_0.sql']);
  expect(await sql`select push.version() as version`).toEqual([{ version: '0.2.0' }]);
});

test('a package whose newest migration is of another release, or of none, says so', async () => {
  const folder = join(home, 'odd');
  await plantPackage(folder);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ version: '0.2.0' }));
  await expect(readRelease(folder)).rejects.toThrow(
    'Its newest migration is of 0.1.0, and the package is 0.2.0.',
  );
  await writeFile(join(folder, 'supabase/migrations/20270101000000_more.sql'), 'select 1;\n');
  await expect(readRelease(folder)).rejects.toThrow('20270101000000_more.sql is of no release');
});

test('a package that is a pre-release is known by its migration, and so it is by the release after it', async () => {
  const folder = join(home, 'draft');
  const versions = async (version: string) => {
    await writeFile(join(folder, 'package.json'), JSON.stringify({ version }));
    const name = `20270101000000_${migrationName({ version })}.sql`;
    await writeFile(join(folder, 'supabase/migrations', name), 'select 1;\n');
    return (await readRelease(folder)).migrations.map((migration) => migration.version);
  };
  await plantPackage(folder);
  expect(await versions('0.2.0-rc.1')).toEqual(['0.1.0', '0.2.0-rc.1']);
  expect(await versions('0.2.1')).toEqual(['0.1.0', '0.2.0-rc.1', '0.2.1']);
  expect(await versions('0.2.2-alpha-beta.2')).toEqual([
    '0.1.0',
    '0.2.0-rc.1',
    '0.2.1',
    '0.2.2-alpha-beta.2',
  ]);
});

import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FUNCTIONS } from '../../../../src/cli/doctor/folder.ts';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { nextSteps } from '../../../../src/cli/init/next-steps.ts';
import { readQuickStart } from '../../../support/quick-start.ts';
import { CONFIG, released, withLookAlike } from './look-alike.ts';

/** The steps for an app of these files, called in its folder. */
const stepsOf = (files: Record<string, string>, calledIn = '.') =>
  withLookAlike(files, async ({ folder }) => {
    const place = join(folder, calledIn);
    return nextSteps(await findProject(place), released(), place);
  });

test('three commands lead to the hosted project, and name what was written', async () => {
  const steps = await stepsOf({ 'supabase/config.toml': CONFIG });
  expect(steps).toHaveLength(3);
  expect(steps[0]).toBe('npx supapush secrets --subject mailto:you@example.com');
  expect(steps[1]).toContain('secrets set --env-file supabase/functions/.env.supapush');
  expect(steps[1]).toContain('functions deploy push-one push-two --use-api');
  expect(steps[2]).toMatch(/^npx supapush connect /);
});

test('the quick start of the README has the same', async () => {
  const { commands } = await readQuickStart('README.md', '## Quick start');
  const [one] = released().functions;
  const functions = FUNCTIONS.flatMap((name) => (one ? { ...one, name } : []));
  const steps = await withLookAlike({ 'supabase/config.toml': CONFIG }, async ({ folder }) =>
    nextSteps(await findProject(folder), released({ functions }), folder),
  );
  expect(commands).toEqual(['npm install ./supapush-*.tgz', 'npx supapush init', ...steps]);
});

test('they begin in the folder of the project, wherever init was called', async () => {
  const files = { 'apps/database/supabase/config.toml': CONFIG };
  expect((await stepsOf(files))[0]).toMatch(/^cd apps\/database && npx supapush secrets /);
  expect((await stepsOf(files, 'apps/database'))[0]).toMatch(/^npx supapush secrets /);
});

test.each([
  ['pnpm-lock.yaml', 'pnpm exec supapush'],
  ['yarn.lock', 'yarn supapush'],
  ['bun.lock', 'bunx supapush'],
  ['package-lock.json', 'npx supapush'],
])('in a repository with %s they are called by %s', async (lock, call) => {
  const steps = await stepsOf({ 'supabase/config.toml': CONFIG, [lock]: '' });
  expect(steps[0]?.startsWith(call)).toBe(true);
  expect(steps[2]?.startsWith(call)).toBe(true);
});

test.each([
  ['apps/my-data_base.v2', 'cd apps/my-data_base.v2 && '],
  ['my data', "cd 'my data' && "],
  ["it's", "cd 'it'\\''s' && "],
  ['$(touch planted); a', "cd '$(touch planted); a' && "],
  ['apps/(web)', "cd 'apps/(web)' && "],
  ['-P', 'cd ./-P && '],
])('a shell goes into the folder %j, and does nothing else', async (name, start) => {
  await withLookAlike({ [`${name}/supabase/config.toml`]: CONFIG }, async ({ folder, read }) => {
    const [first = ''] = nextSteps(await findProject(folder), released(), folder);
    expect(first.startsWith(start)).toBe(true);
    const place = execFileSync('sh', ['-c', `${start}pwd -P`], { cwd: folder, encoding: 'utf8' });
    expect(place).toBe(`${join(realpathSync(folder), name)}\n`);
    expect(Object.keys(await read())).toEqual([`${name}/supabase/config.toml`]);
  });
});

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { nextSteps } from '../../../../src/cli/init/next-steps.ts';
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

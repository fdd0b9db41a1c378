import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { projectSettings } from '../../../../src/cli/open-database.ts';
import { secretsOf, uninstallSteps } from '../../../../src/cli/uninstall/next-steps.ts';
import { planUninstall } from '../../../../src/cli/uninstall/plan.ts';
import { usedSecrets } from '../../../../src/cli/uninstall/used-secrets.ts';
import { command } from '../../../../src/cli/uninstall.ts';
import { called } from '../../../support/command.ts';
import { CONFIG, NOW, released, withLookAlike } from '../init/look-alike.ts';

/** The steps for an app that init has been in, called above it. */
const stepsOf = (files: Record<string, string> = {}) =>
  withLookAlike({ 'db/supabase/config.toml': CONFIG, ...files }, async ({ folder, plan, write }) => {
    writeChanges((await plan()).changes);
    for (const [path, text] of Object.entries(files)) await write(path, text);
    const project = await findProject(folder);
    const { named } = await projectSettings(project.root);
    const uninstall = await planUninstall(project, released(), NOW);
    const secrets = secretsOf(named);
    const used = await usedSecrets(project, released(), secrets);
    return uninstallSteps(project, uninstall, released(), { calledIn: folder, secrets, used });
  });

test('each function is deleted by a command of its own, so that one that is gone stops no other', async () => {
  expect((await stepsOf()).slice(0, 4)).toEqual([
    'cd db',
    'npx supabase db push',
    'npx supabase functions delete push-one',
    'npx supabase functions delete push-two',
  ]);
});

test('every secret of Supapush is unset, and no other', async () => {
  const secrets = 'PUSH_QUOTES_RATES=x\nSTRIPE_KEY=y\nSUPABASE_DB_URL=z\n';
  const steps = await stepsOf({
    'db/supabase/functions/push-dispatch/supapush.js': '',
    'db/supabase/functions/.env.supapush': secrets,
  });
  expect(steps.find((step) => step.includes('secrets unset'))).toBe(
    'npx supabase secrets unset VAPID_SUBJECT VAPID_PUBLIC_KEY VAPID_PRIVATE_KEY VAPID_PREVIOUS_KEYS PUSH_BELL_SECRET PUSH_PADDING ' +
      'FCM_SERVICE_ACCOUNT PUSH_QUOTES_RATES',
  );
});

test('a secret that a function of the app names stays, with the file that names it', async () => {
  const steps = await stepsOf({
    'db/supabase/functions/remind/index.ts': "import { key } from '../_shared/keys.ts';\n",
    'db/supabase/functions/_shared/keys.ts': "export const key = Deno.env.get('VAPID_PRIVATE_KEY');\n",
    'packages/google/account.ts': "export const account = Deno.env.get('FCM_SERVICE_ACCOUNT');\n",
    // No function: they get none of these secrets.
    'web/push.ts': 'export const key = process.env.VAPID_PUBLIC_KEY ?? process.env.MY_VAPID_SUBJECT;\n',
  });
  expect(steps.filter((step) => /secrets unset|stays set/.test(step))).toEqual([
    'npx supabase secrets unset VAPID_SUBJECT VAPID_PUBLIC_KEY VAPID_PREVIOUS_KEYS PUSH_BELL_SECRET PUSH_PADDING',
    'VAPID_PRIVATE_KEY stays set: db/supabase/functions/_shared/keys.ts of yours names it. Unset it if nothing needs it.',
    'FCM_SERVICE_ACCOUNT stays set: packages/google/account.ts of yours names it. Unset it if nothing needs it.',
  ]);
});

test.each([
  ['pnpm-lock.yaml', 'pnpm remove supapush'],
  ['yarn.lock', 'yarn remove supapush'],
  ['bun.lockb', 'bun remove supapush'],
  ['package-lock.json', 'npm uninstall supapush'],
])('in a repository with %s the package is removed by %s', async (lock, call) => {
  expect(await stepsOf({ [lock]: '' })).toContainEqual(expect.stringMatching(new RegExp(`: ${call}$`)));
});

test('the secrets are those of the project, wherever the command was called', async () => {
  const files = {
    'db/supabase/config.toml': CONFIG,
    'db/supabase/functions/push-dispatch/supapush.js': '',
    'db/supabase/functions/.env.supapush': 'SUPABASE_DB_URL=of the project\n',
  };
  await withLookAlike(files, async ({ folder }) => {
    const { setting } = await projectSettings(join(folder, 'db'));
    expect(setting('SUPABASE_DB_URL')).toBe('of the project');
  });
  const exporting = async (folder: string) => {
    const args = ['--workdir', join(folder, 'db'), '--export', join(folder, 'devices.jsonl'), '--yes'];
    return await called(command, ...args).catch((error: Error) => error.message);
  };
  const unknown = /^--export reads the database/;
  await withLookAlike({ 'db/supabase/config.toml': CONFIG }, async ({ folder, write }) => {
    expect(await exporting(folder)).toMatch(unknown);
    await write('db/.env', 'SUPABASE_DB_URL=postgresql://postgres@127.0.0.1:1/postgres\n');
    expect(await exporting(folder)).not.toMatch(unknown);
  });
});

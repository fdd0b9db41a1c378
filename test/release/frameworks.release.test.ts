import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { visitDemo } from '../browser/support/demo-visitor.ts';
import { type Firefox, startFirefox } from '../browser/support/firefox.ts';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { FRAMEWORKS, type FrameworkApp, makeFrameworkApp } from './support/framework-app.ts';
import type {} from './support/packed.ts';

// Apps of frameworks, made by their own commands with packages of the registry, of what docs/start/frameworks.md says.

const stack = useStack({ workers: { cron: false } });
const apps: FrameworkApp[] = [];
let home = '';
let firefox: Firefox;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-frameworks-'));
  firefox = await startFirefox(stack().pushService);
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error((await firefox.said()).join('\n'));
  await firefox.closeTabs();
  await firefox.closeAlerts();
});
afterAll(async () => {
  await firefox?.dispose();
  for (const app of apps) await app.stop();
  await rm(home, { recursive: true, force: true });
});

test.each(FRAMEWORKS)(
  '$name: a push is shown, doctor finds nothing, and uninstall leaves the folder as it was',
  async (framework) => {
    const { url, publishableKey: key } = stack();
    const app = await makeFrameworkApp(home, framework, { archive: inject('archive'), url, key });
    apps.push(app);
    await app.run('npm run build');
    const origin = await app.serve();
    const visitor = visitDemo(await firefox.open(origin));
    for (const button of framework.buttons) await visitor.press(button);
    await eventually(
      () => firefox.alerts(),
      (alerts) => alerts.some(({ title }) => title === 'Notifications work'),
      20_000,
    );
    // No project of their own is behind these apps.
    await app.run(
      `npx supapush doctor --only folder --only app --app-url ${origin} --ignore secrets_missing --json`,
    );
    await app.run('npx supapush uninstall --yes');
    const changed = (await app.git('status --porcelain --untracked-files=all')).trimEnd().split('\n');
    expect(changed).toEqual(
      [/supapush_\d+_\d+_\d+\.sql$/, /supapush_uninstall\.sql$/].map((migration) =>
        expect.stringMatching(new RegExp(`^\\?\\? supabase/migrations/\\d{14}_${migration.source}`)),
      ),
    );
  },
  // A whole framework comes from the registry and is built: the five minutes of the README are those of its own quick start.
  900_000,
);

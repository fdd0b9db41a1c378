import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { startChromium } from '../browser/support/chromium.ts';
import { visitDemo } from '../browser/support/demo-visitor.ts';
import { type Firefox, startFirefox } from '../browser/support/firefox.ts';
import { type PageServer, startPageServer } from '../browser/support/page-server.ts';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { type App, makeApp } from './support/app.ts';
import type {} from './support/packed.ts';
import { type Recipe, readRecipes } from './support/recipes.ts';

// Apps of several kinds, of what the pages say: init, a push in a stock Firefox, doctor, uninstall.

const stack = useStack({ workers: { cron: false } });
const servers: PageServer[] = [];
let home = '';
let recipes: Recipe[] = [];
let firefox: Firefox;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'supapush-recipes-'));
  const { url, publishableKey, pushService } = stack();
  recipes = await readRecipes({ url, key: publishableKey });
  firefox = await startFirefox(pushService);
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error((await firefox.said()).join('\n'));
  await firefox.closeTabs();
  await firefox.closeAlerts();
});
afterAll(async () => {
  await firefox?.dispose();
  for (const server of servers) await server.stop();
  await rm(home, { recursive: true, force: true });
});

/** Makes the app of a recipe, as it is before Supapush, and puts Supapush into it; builds and serves it. */
async function make(name: string): Promise<{ recipe: Recipe; app: App; server: PageServer; path: string }> {
  const recipe = recipes.find((one) => one.name === name);
  if (recipe === undefined) throw new Error(`There is no recipe ${name}.`);
  const app = await makeApp(home, recipe);
  await app.install(inject('archive'));
  await app.git('init --quiet');
  await app.git('add --all');
  await app.git("commit --quiet --message 'An app'");
  await app.run('npx supapush init --yes');
  if (recipe.built) await app.run('npm run build');
  const { url, publishableKey, vapidPublicKey } = stack();
  const server = await startPageServer(recipe.built ? join(app.folder, 'dist') : app.folder, 'index', {
    supabaseUrl: url,
    publishableKey,
    vapidPublicKey,
  });
  servers.push(server);
  return {
    recipe,
    app,
    server,
    path: recipe.policy ? `/?csp=${encodeURIComponent(recipe.policy(url))}` : '/',
  };
}

/** What Chromium registers, which enforces Trusted Types and has no push service here. */
async function workerInChromium(url: string, button: string): Promise<string> {
  const chromium = await startChromium();
  try {
    const page = await chromium.open(url, 'granted');
    await visitDemo(page).press(button);
    return await page.evaluate(() =>
      navigator.serviceWorker.ready.then(({ active }) => new URL(active?.scriptURL ?? '').pathname),
    );
  } finally {
    await chromium.dispose();
  }
}

test.each(['vite', 'vite-react', 'plain-html', 'vite-plugin-pwa', 'strict-csp'])(
  '%s: a push is shown, doctor finds nothing, and uninstall leaves the folder as it was',
  async (name) => {
    const { recipe, app, server, path } = await make(name);
    const visitor = visitDemo(await firefox.open(`${server.origin}${path}`));
    for (const button of recipe.buttons) await visitor.press(button);
    await eventually(
      () => firefox.alerts(),
      (alerts) => alerts.some(({ title }) => title === 'Notifications work'),
      20_000,
    );
    if (recipe.policy)
      expect(await workerInChromium(`${server.origin}${path}`, recipe.buttons[0] ?? '')).toBe('/sw.js');
    // No project of their own is behind these apps.
    await app.run(
      `npx supapush doctor --only folder --only app --app-url ${server.origin} --ignore secrets_missing --json`,
    );
    await app.run('npx supapush uninstall --yes');
    const changed = (await app.git('status --porcelain --untracked-files=all')).trimEnd().split('\n');
    expect(changed).toEqual(
      [/supapush_\d+_\d+_\d+\.sql$/, /supapush_uninstall\.sql$/].map((migration) =>
        expect.stringMatching(new RegExp(`^\\?\\? supabase/migrations/\\d{14}_${migration.source}`)),
      ),
    );
  },
);

import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { LOCAL_PACKAGES } from '../../tools/build/build-local-stack.ts';
import { expectNoTraces, startProcess } from '../e2e/local/local-process.ts';
import { BILLING_STARTER } from '../support/look-alikes/billing-starter.ts';
import { CHAT_APP } from '../support/look-alikes/chat-app.ts';
import { MULTI_TENANT_KIT } from '../support/look-alikes/multi-tenant-kit.ts';
import { type App, makeApp } from './support/app.ts';
import type {} from './support/packed.ts';

// supapush dev of the packed package in look-alikes of public projects, before and after init.

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

let home = '';
beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'supapush-dev-')));
  await chmod(home, 0o711);
});
afterAll(() => rm(home, { recursive: true, force: true }));

async function appOf(name: string, supabase: Readonly<Record<string, string>>): Promise<App> {
  const files = Object.fromEntries(
    Object.entries(supabase).map(([path, text]) => [`supabase/${path}`, text]),
  );
  const app = await makeApp(home, {
    name,
    files: { ...files, '.gitignore': 'node_modules\n' },
    manifest: {},
  });
  await app.install(inject('archive'));
  // What npm would fetch.
  const modules = join(app.folder, '.supapush/packages/node_modules');
  for (const one of LOCAL_PACKAGES) {
    await mkdir(dirname(join(modules, one)), { recursive: true });
    await symlink(join(PROJECT, 'node_modules', one), join(modules, one));
  }
  return app;
}

async function start(app: App, ...args: string[]) {
  const bin = join(app.folder, 'node_modules/supapush/dist/cli/supapush.js');
  const command = ['dev', '--json', '--workdir', app.folder, ...args];
  const started = startProcess(process.execPath, [bin, ...command]);
  onTestFinished(async () => {
    started.child.kill('SIGKILL');
    await started.ended;
  });
  const status = (await started.ready()) as Record<'API_URL' | 'DB_URL' | 'PUBLISHABLE_KEY', string>;
  return {
    status,
    async stop() {
      started.child.kill('SIGINT');
      expect(await started.ended).toBe(0);
      const ports = [status.API_URL, status.DB_URL].map((url) => Number(new URL(url).port));
      await expectNoTraces({ pids: [started.child.pid ?? 0], ports });
    },
  };
}

test.each([
  ['billing-starter', BILLING_STARTER, 'plans', []],
  ['multi-tenant-kit', MULTI_TENANT_KIT, 'teams', []],
  ['chat-app', CHAT_APP, 'messages', ['--skip-missing']],
])('%s, before and after init', async (name, files, table, args) => {
  const app = await appOf(name, files);
  const manifest = await readFile(join(app.folder, 'package.json'), 'utf8');
  await app.git('init --quiet');
  await app.git('add --all');
  const before = await start(app, ...args);
  const headers = { apikey: before.status.PUBLISHABLE_KEY };
  expect((await fetch(`${before.status.API_URL}/rest/v1/${table}`, { headers })).status).toBe(200);
  await before.stop();
  expect(await readFile(join(app.folder, 'package.json'), 'utf8')).toBe(manifest);
  expect(await app.git('status --porcelain')).not.toContain('.supapush');

  await app.run('npx supapush init --yes --no-worker');
  const { status, stop } = await start(app, ...args);
  const health = await fetch(`${status.API_URL}/functions/v1/push-health`);
  expect(await health.json()).toMatchObject({ configured: true, status: 'ok' });
  expect((await fetch(`${status.API_URL}/rest/v1/${table}`, { headers })).status).toBe(200);
  await stop();
});

import { chmod, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { freeLoopbackPort } from '../../../tools/local/loopback-port.ts';
import type { StackAddress } from '../../../tools/local/stack.ts';
import { copyProject } from '../../../tools/quality/project-copy.ts';
import type {} from '../../support/migrated-cluster.ts';
import { expectNoTraces, type LocalProcess, startProcess } from './local-process.ts';

// The README promises the page after `npm ci` in a clone, so these tests run in a copy of the repository.

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

let clone: string;
beforeAll(async () => {
  clone = await realpath(await mkdtemp(join(tmpdir(), 'test-clone-')));
  // mkdtemp lets only its owner in; under root, Postgres runs as another user.
  await chmod(clone, 0o755);
  await copyProject(ROOT, clone);
  await symlink(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
});
afterAll(() => rm(clone, { recursive: true, force: true }));

function dev(flags: string[], environment: NodeJS.ProcessEnv = {}): LocalProcess {
  const started = startProcess(process.execPath, [join(clone, 'tools/commands/dev.ts'), '--json', ...flags], {
    ...process.env,
    ...environment,
  });
  onTestFinished(() => void started.child.kill('SIGKILL'));
  return started;
}

async function stop(started: LocalProcess): Promise<void> {
  started.child.kill('SIGINT');
  expect(await started.ended).toBe(0);
}

async function hasDeals({ databaseUrl }: StackAddress): Promise<boolean> {
  const sql = postgres(databaseUrl, { max: 1 });
  const [row] = await sql<{ found: boolean }[]>`select to_regclass('public.deals') is not null as found`;
  await sql.end();
  return row?.found ?? false;
}

async function read(url: string): Promise<string> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return await response.text();
}

it('serves the page with its service worker and tables, and stops serving on Ctrl-C', async () => {
  const port = await freeLoopbackPort();
  const started = dev(['--page-port', `${port}`]);
  const address = (await started.ready()) as StackAddress & { pageUrl?: string };
  expect(address.pageUrl).toBe(`http://localhost:${port}`);
  expect(await read(`${address.pageUrl}/`)).toContain('main.tsx');
  expect(await read(`${address.pageUrl}/sign-in.tsx`)).toContain('signUp');
  expect(await read(`${address.pageUrl}/sw.js`)).toContain('showNotification');
  expect(await hasDeals(address)).toBe(true);
  await stop(started);
  await expectNoTraces({ pids: [started.child.pid ?? 0], ports: [port] });
});

it('serves no page and makes no tables of it with --no-page', async () => {
  // On a copy of a cluster: to make one is for the test above.
  const started = dev(['--reset', '--no-page'], { SUPAPUSH_CLUSTER: inject('cluster') });
  const address = await started.ready();
  expect(address).not.toHaveProperty('pageUrl');
  expect(await hasDeals(address as StackAddress)).toBe(false);
  await stop(started);
});

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  it,
  onTestFinished,
} from 'vitest';
import type { StackAddress } from '../../../tools/local/stack.ts';
import type {} from '../../support/migrated-cluster.ts';
import { expectNoTraces, type LocalProcess, startProcess } from './local-process.ts';
import { makeProject, type TempProject } from './temp-project.ts';

const DEV = fileURLToPath(new URL('../../../tools/commands/dev.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const FILES = {
  'migrations/1_items.sql': 'create table public.items (name text);',
  'seed.sql': `insert into public.items values ('seeded');`,
};

function dev({ directory }: TempProject, ...args: string[]): LocalProcess {
  return startProcess(process.execPath, [DEV, '--project', directory, ...args], copying());
}

// What dev() starts copies a cluster for its database: making one takes longer than what the tests look at. What npm starts makes one.
const copying = () => ({ ...process.env, SUPAPUSH_CLUSTER: inject('emptyCluster') });

async function readyAddress(started: LocalProcess): Promise<StackAddress> {
  return (await started.ready()) as StackAddress;
}

async function stop(started: LocalProcess): Promise<void> {
  started.child.kill('SIGTERM');
  expect(await started.ended).toBe(0);
}

async function items(address: StackAddress): Promise<string[]> {
  const sql = postgres(address.databaseUrl, { max: 1 });
  const rows = await sql<{ name: string }[]>`select name from public.items order by name`;
  await sql.end();
  return rows.map(({ name }) => name);
}

const portsOf = (address: StackAddress): number[] =>
  [address.url, address.databaseUrl, address.pushServiceUrl].map((url) => Number(new URL(url).port));

const lockFile = ({ directory }: TempProject): string => join(directory, '.supapush', 'dev', 'lock.json');

// One start for all tests of it, in their order: the last one ends it.
describe('npm run dev -- --json, on ports of one’s choice', () => {
  const chosen = [23_471, 23_472, 23_473] as const;
  let project: TempProject;
  let started: LocalProcess;
  let address: StackAddress;
  beforeAll(async () => {
    project = await makeProject(FILES);
    const [gateway, database, push] = chosen.map(String) as [string, string, string];
    const ports = ['--port', gateway, '--database-port', database, '--push-port', push];
    started = dev(project, '--json', ...ports);
    address = await readyAddress(started);
  });
  afterAll(async () => {
    started.child.kill('SIGKILL');
    await project.remove();
  });

  it('prints the addresses and keys, and listens on those ports', async () => {
    expect(Object.keys(address)).toEqual([
      'url',
      'publishableKey',
      'secretKey',
      'databaseUrl',
      'superuserDatabaseUrl',
      'pushServiceUrl',
      'quoteServerUrl',
      'vapidPublicKey',
    ]);
    expect(portsOf(address)).toEqual(chosen);
    const asService = await fetch(`${address.url}/rest/v1/rpc/none`, {
      headers: { apikey: address.secretKey },
    });
    expect(asService.status).toBe(404);
  });

  it('keeps a state that is readable by no other user where it holds keys', async () => {
    const { mode } = await stat(join(project.directory, '.supapush', 'dev', 'stack.json'));
    expect(mode & 0o077).toBe(0);
  });

  it.each([[['--json']], [['--reset']]])(
    'has its state to itself: a second one, with %j, names the process that has it',
    async (flags) => {
      const second = dev(project, ...flags);
      onTestFinished(() => void second.child.kill('SIGKILL'));
      expect(await second.ended).toBe(1);
      expect(second.stderr.join('\n')).toContain(`process ${started.child.pid}`);
      expect(second.stdout).toEqual([]);
      expect(await items(address)).toEqual(['seeded']);
    },
  );

  it('has its port to itself: one of another project names the port that is taken', async () => {
    const [port] = portsOf(address);
    const other = await makeProject();
    const second = dev(other, '--port', `${port}`);
    onTestFinished(() => void second.child.kill('SIGKILL'));
    expect(await second.ended).toBe(1);
    expect(second.stderr.join('\n')).toContain(String(port));
    await other.remove();
  });

  it('has printed exactly one line when it ends with 0 on SIGINT', async () => {
    started.child.kill('SIGINT');
    expect(await started.ended).toBe(0);
    expect(started.stdout).toHaveLength(1);
    expect(started.stderr.at(-1)).toBe('stopped');
    const { pid } = started.child;
    await expectNoTraces({ pids: [pid ?? 0], ports: portsOf(address), folder: lockFile(project) });
  });
});

describe('npm run dev', () => {
  let project: TempProject;
  beforeEach(async () => {
    project = await makeProject(FILES);
  });
  afterEach(() => project.remove());

  const start = (...args: string[]): LocalProcess => {
    const started = dev(project, ...args);
    onTestFinished(() => void started.child.kill('SIGKILL'));
    return started;
  };

  it('stops when npm, which ran it, is told to end', async () => {
    const npm = startProcess('npm', [
      'run',
      'dev',
      '--prefix',
      ROOT,
      '--',
      '--json',
      '--project',
      project.directory,
    ]);
    onTestFinished(() => void npm.child.kill('SIGKILL'));
    const address = await readyAddress(npm);
    const { pid, reaper } = JSON.parse(await readFile(lockFile(project), 'utf8'));
    npm.child.kill('SIGTERM');
    await expectNoTraces({ pids: [pid, reaper], ports: portsOf(address), folder: lockFile(project) });
  });

  it('can be started again right after a kill, on the same data', async () => {
    const killed = start('--json');
    const before = await readyAddress(killed);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const again = start('--json');
    expect(await readyAddress(again)).toEqual(before);
    expect(await items(before)).toEqual(['seeded']);
    await stop(again);
  });

  it('keeps rows, keys and ports, applies new migrations, does not seed twice, and is empty after --reset, with other keys', async () => {
    const first = start('--json');
    const before = await readyAddress(first);
    await stop(first);
    await project.write({ 'migrations/2_more.sql': `insert into public.items values ('migrated');` });
    const second = start('--json');
    expect(await readyAddress(second)).toEqual(before);
    expect(await items(before)).toEqual(['migrated', 'seeded']);
    const sql = postgres(before.databaseUrl, { max: 1 });
    await sql`insert into public.items values ('mine')`;
    await sql.end();
    await stop(second);
    const third = start('--json', '--reset');
    const after = await readyAddress(third);
    expect(after.secretKey).not.toBe(before.secretKey);
    expect(await items(after)).toEqual(['migrated', 'seeded']);
    await stop(third);
  });

  it('prints a table without colours where stdout is no terminal', async () => {
    const started = start();
    await expect.poll(() => started.stdout.join('\n'), { timeout: 20_000 }).toContain('Ctrl-C');
    expect(started.stdout.join('\n')).toMatch(/API URL +http:\/\/127\.0\.0\.1:\d+/);
    expect(started.stdout.join('\n')).not.toContain('\u001b[');
    // To be copied into a frontend's .env.local.
    expect(started.stdout.join('\n')).toMatch(
      /^ {2}VITE_SUPABASE_URL=http:\/\/127\.0\.0\.1:\d+\n {2}VITE_SUPABASE_PUBLISHABLE_KEY=sb_publishable_\S+$/m,
    );
    await stop(started);
  });

  it.each([
    ['--bogus', 'bogus'],
    ['--port=many', '--port needs a port'],
    ['--push-port=70000', '--push-port needs a port'],
    ['--page-port=0', '--page-port needs a port'],
    ['stray', 'stray'],
  ])('refuses what it cannot be called with, with usage and exit code 2: %s', async (flag, said) => {
    const started = start(flag);
    expect(await started.ended).toBe(2);
    expect(started.stderr.join('\n')).toContain(said);
    expect(started.stderr.join('\n')).toContain('Usage:');
    expect(started.stdout).toEqual([]);
  });

  it('explains its flags by --help', async () => {
    const started = start('--help');
    expect(await started.ended).toBe(0);
    const flags = [
      '--json',
      '--reset',
      '--port',
      '--database-port',
      '--push-port',
      '--page-port',
      '--no-page',
    ];
    for (const said of [...flags, 'Exit codes']) expect(started.stdout.join('\n')).toContain(said);
  });
});

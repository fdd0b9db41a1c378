import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { StackAddress } from '../../../tools/local/stack.ts';
import { expectNoTraces, type LocalProcess, startProcess } from './local-process.ts';
import { makeProject, type TempProject } from './temp-project.ts';

const DEV = fileURLToPath(new URL('../../../tools/commands/dev.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

let project: TempProject;
beforeEach(async () => {
  project = await makeProject({
    'migrations/1_items.sql': 'create table public.items (name text);',
    'seed.sql': `insert into public.items values ('seeded');`,
  });
});
afterEach(() => project.remove());

function dev(...args: string[]): LocalProcess {
  const started = startProcess(process.execPath, [DEV, '--project', project.directory, ...args]);
  onTestFinished(() => void started.child.kill('SIGKILL'));
  return started;
}

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

const lockFile = (): string => join(project.directory, '.supapush', 'dev', 'lock.json');

describe('npm run dev -- --json', () => {
  it('prints exactly one line, the addresses and keys, and ends with 0 on SIGINT', async () => {
    const started = dev('--json');
    const address = await readyAddress(started);
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
    const asService = await fetch(`${address.url}/rest/v1/rpc/none`, {
      headers: { apikey: address.secretKey },
    });
    expect(asService.status).toBe(404);
    started.child.kill('SIGINT');
    expect(await started.ended).toBe(0);
    expect(started.stdout).toHaveLength(1);
    expect(started.stderr.at(-1)).toBe('stopped');
    const { pid } = started.child;
    await expectNoTraces({ pids: [pid ?? 0], ports: portsOf(address), folder: lockFile() });
  });

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
    const { pid, reaper } = JSON.parse(await readFile(lockFile(), 'utf8'));
    npm.child.kill('SIGTERM');
    await expectNoTraces({ pids: [pid, reaper], ports: portsOf(address), folder: lockFile() });
  });

  it('can be started again right after a kill, on the same data', async () => {
    const killed = dev('--json');
    const before = await readyAddress(killed);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const again = dev('--json');
    expect(await readyAddress(again)).toEqual(before);
    expect(await items(before)).toEqual(['seeded']);
    await stop(again);
  });
});

describe('the state of npm run dev', () => {
  it('keeps rows, keys and ports, applies new migrations, and does not seed twice', async () => {
    const first = dev('--json');
    const before = await readyAddress(first);
    await stop(first);
    await project.write({ 'migrations/2_more.sql': `insert into public.items values ('migrated');` });
    const second = dev('--json');
    expect(await readyAddress(second)).toEqual(before);
    expect(await items(before)).toEqual(['migrated', 'seeded']);
    await stop(second);
  });

  it('is empty after --reset, with other keys', async () => {
    const first = dev('--json');
    const before = await readyAddress(first);
    const sql = postgres(before.databaseUrl, { max: 1 });
    await sql`insert into public.items values ('mine')`;
    await sql.end();
    await stop(first);
    const second = dev('--json', '--reset');
    const after = await readyAddress(second);
    expect(after.secretKey).not.toBe(before.secretKey);
    expect(await items(after)).toEqual(['seeded']);
    await stop(second);
  });

  it('is readable by no other user where it holds keys', async () => {
    const started = dev('--json');
    await readyAddress(started);
    const { mode } = await stat(join(project.directory, '.supapush', 'dev', 'stack.json'));
    expect(mode & 0o077).toBe(0);
    await stop(started);
  });

  it('belongs to one at a time: a second one, even with --reset, names the process that has it', async () => {
    const first = dev('--json');
    const address = await readyAddress(first);
    for (const flags of [['--json'], ['--reset']]) {
      const second = dev(...flags);
      expect(await second.ended).toBe(1);
      expect(second.stderr.join('\n')).toContain(`process ${first.child.pid}`);
      expect(second.stdout).toEqual([]);
    }
    expect(await items(address)).toEqual(['seeded']);
    await stop(first);
  });
});

describe('the flags of npm run dev', () => {
  it('choose the ports', async () => {
    const [gateway, database, push] = [23_471, 23_472, 23_473];
    const started = dev(
      '--json',
      '--port',
      `${gateway}`,
      '--database-port',
      `${database}`,
      '--push-port',
      `${push}`,
    );
    expect(portsOf(await readyAddress(started))).toEqual([gateway, database, push]);
    await stop(started);
  });

  it.each([
    ['--bogus', 'bogus'],
    ['--port=many', '--port needs a port'],
    ['--push-port=70000', '--push-port needs a port'],
    ['--page-port=0', '--page-port needs a port'],
    ['stray', 'stray'],
  ])('are refused with usage and exit code 2 when wrong: %s', async (flag, said) => {
    const started = dev(flag);
    expect(await started.ended).toBe(2);
    expect(started.stderr.join('\n')).toContain(said);
    expect(started.stderr.join('\n')).toContain('Usage:');
    expect(started.stdout).toEqual([]);
  });

  it('are explained by --help', async () => {
    const started = dev('--help');
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

  it('lead to a table without colours where stdout is no terminal', async () => {
    const started = dev();
    await expect.poll(() => started.stdout.join('\n'), { timeout: 20_000 }).toContain('Ctrl-C');
    expect(started.stdout.join('\n')).toMatch(/API URL +http:\/\/127\.0\.0\.1:\d+/);
    expect(started.stdout.join('\n')).not.toContain('\u001b[');
    // To be copied into a frontend's .env.local.
    expect(started.stdout.join('\n')).toMatch(
      /^ {2}VITE_SUPABASE_URL=http:\/\/127\.0\.0\.1:\d+\n {2}VITE_SUPABASE_PUBLISHABLE_KEY=sb_publishable_\S+$/m,
    );
    await stop(started);
  });

  it('name the port that is taken', async () => {
    const first = dev('--json');
    const [port] = portsOf(await readyAddress(first));
    const other = await makeProject();
    const second = startProcess(process.execPath, [DEV, '--project', other.directory, '--port', `${port}`]);
    expect(await second.ended).toBe(1);
    expect(second.stderr.join('\n')).toContain(String(port));
    await stop(first);
    await other.remove();
  });
});

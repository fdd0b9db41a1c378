import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalStackError } from '../local-stack-error.ts';
import { freeLoopbackPort, requireFreePort } from '../loopback-port.ts';
import { type Account, openPathFor, serverAccount } from './postgres-account.ts';
import { openDataDirectory, type Passwords } from './postgres-data.ts';
import { installPostgres } from './postgres-install.ts';
import { endOrphan } from './postgres-orphan.ts';
import { endProcess, isRunning, stopAtExit } from './server-process.ts';

export type DatabaseRole = keyof Passwords;

export interface PostgresOptions {
  /** Where everything of this server lives: binaries, data, log, passwords. Made if missing; reopened if not. */
  directory: string;
  /** A free port unless given. */
  port?: number;
  /** Flush to disk as production does. Off by default: a killed server is safe either way, a power cut is not. */
  durable?: boolean;
  /** Libraries to load with the server, such as `pg_stat_statements`. */
  preload?: readonly string[];
}

export interface PostgresServer {
  readonly port: number;
  readonly pid: number;
  /** The real path of the directory given. */
  readonly directory: string;
  /** A connection URL with its password; role `postgres` and database `postgres` unless given. */
  url(target?: { role?: DatabaseRole; database?: string }): string;
  /** Ends every connection and waits until no process is left. May be called again. */
  stop(): Promise<void>;
  /** Ends the server as a crash would: the next start empties every unlogged table. */
  crash(): Promise<void>;
}

const START_LIMIT_MS = 60_000;
const PORT_ATTEMPTS = 5;

/**
 * Starts a PostgreSQL 17 from npm packages alone, listening on 127.0.0.1 only, with passwords of its own.
 *
 * The first start makes the cluster (about 2 s), later ones reopen it (under 1 s). Supabase's roles and schemas are
 * `prepareSupabase`'s business. Throws `LocalStackError`: `port_in_use`, `directory_in_use`,
 * `directory_not_accessible`, `unsupported_platform`, `postgres_failed` (with the end of the server's log).
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  await mkdir(options.directory, { recursive: true });
  const directory = await realpath(options.directory);
  const account = serverAccount();
  if (account) openPathFor(account, directory);
  const install = join(directory, 'install');
  await endOrphan(directory, install);
  if (options.port !== undefined) await requireFreePort(options.port);

  const binaries = installPostgres(install, account !== undefined);
  const passwords = await openDataDirectory(directory, binaries.initdb, account);
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freeLoopbackPort());
    try {
      const { durable = false, preload = [] } = options;
      const pid = await launch({ binary: binaries.postgres, directory, port, durable, preload, account });
      return describe(directory, port, pid, passwords);
    } catch (error) {
      // Between choosing a free port and binding it, another program may take it.
      const lost = error instanceof LocalStackError && error.code === 'port_in_use';
      if (!lost || options.port !== undefined || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

function describe(directory: string, port: number, pid: number, passwords: Passwords): PostgresServer {
  const forget = stopAtExit(pid);
  let ended: Promise<void> | undefined;
  const end = (signals: NodeJS.Signals[]): Promise<void> => {
    ended ??= endProcess(pid, signals).finally(forget);
    return ended;
  };
  return {
    port,
    pid,
    directory,
    url: ({ role = 'postgres', database = 'postgres' } = {}) =>
      `postgresql://${role}:${passwords[role]}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    stop: () => end(['SIGINT', 'SIGQUIT', 'SIGKILL']),
    crash: () => end(['SIGQUIT', 'SIGKILL']),
  };
}

interface Launch {
  binary: string;
  directory: string;
  port: number;
  durable: boolean;
  preload: readonly string[];
  account: Account | undefined;
}

/** Starts the postmaster and waits until it accepts connections; its process id. */
async function launch(options: Launch): Promise<number> {
  const { binary, directory, port, account } = options;
  const data = join(directory, 'data');
  const logFile = join(directory, 'postgres.log');
  const log = openSync(logFile, 'a', 0o600);
  const logStart = statSync(logFile).size;
  const child = spawn(binary, ['-D', data, ...settings(options).flatMap((line) => ['-c', line])], {
    cwd: data,
    env: { LC_ALL: 'C', TZ: 'UTC', PATH: process.env.PATH },
    stdio: ['ignore', log, log],
    // Its own process group: Ctrl-C at the terminal is for us, who then stop it in order.
    detached: true,
    ...account,
  });
  closeSync(log);
  const { pid } = child;
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  // The owner's id lets a later start tell an orphan from a server in use.
  await writeFile(join(directory, 'owner.pid'), `${process.pid}\n`);
  const deadline = Date.now() + START_LIMIT_MS;
  while (pid && isRunning(pid) && child.exitCode === null) {
    if (await isReady(data, pid)) return pid;
    if (Date.now() > deadline) {
      await endProcess(pid, ['SIGQUIT', 'SIGKILL']);
      break;
    }
    await delay(20);
  }
  const said = readFileSync(logFile).subarray(logStart).toString('utf8').trim();
  if (/could not bind|Address already in use/.test(said)) {
    throw new LocalStackError('port_in_use', `Port ${port} on 127.0.0.1 is in use by another program.`);
  }
  throw new LocalStackError(
    'postgres_failed',
    `PostgreSQL in ${directory} did not start:\n${said.slice(-2000) || failure?.message || 'it said nothing'}`,
    { cause: failure },
  );
}

/** The postmaster writes `ready` on line 8 of its pid file once it accepts connections (pg_ctl reads it there too). */
async function isReady(data: string, pid: number): Promise<boolean> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

function settings({ port, durable, preload }: Launch): string[] {
  return [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'max_connections=100',
    'shared_buffers=64MB',
    'timezone=UTC',
    'log_timezone=UTC',
    'log_line_prefix=%m [%p] %q%u@%d ',
    'jit=off',
    ...(preload.length === 0 ? [] : [`shared_preload_libraries=${preload.join(',')}`]),
    // What a killed process wrote survives in the page cache; only a power cut could tell the difference.
    ...(durable ? [] : ['fsync=off', 'full_page_writes=off']),
  ];
}

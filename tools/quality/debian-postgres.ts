import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lifetime } from '../local/lifetime.ts';
import { LocalStackError } from '../local/local-stack-error.ts';
import { freeLoopbackPort } from '../local/loopback-port.ts';
import { openPathFor, serverAccount } from '../local/postgres/postgres-account.ts';
import { openDataDirectory } from '../local/postgres/postgres-data.ts';
import type { PostgresServer } from '../local/postgres/postgres-server.ts';
import { endProcess, stopAtExit } from '../local/postgres/server-process.ts';
import { basicEnvironment, runProgram } from './run-program.ts';

const EXTENSIONS = fileURLToPath(new URL('../local/extensions/', import.meta.url));

/**
 * Starts a private PostgreSQL of Debian's packages on a free port of 127.0.0.1, with our stand-in extensions beside
 * those that are installed. The server's tree is copied to `directory` first (Postgres finds its files relative to
 * its own program), so that nothing under /usr changes. Throws `LocalStackError`.
 */
export async function startDebianPostgres(
  version: number,
  directory: string,
  lifetime: Lifetime,
): Promise<PostgresServer> {
  const account = serverAccount();
  await mkdir(directory);
  if (account) openPathFor(account, directory);
  const bin = await copyServerTree(version, join(directory, 'install'));
  const passwords = await openDataDirectory(directory, join(bin, 'initdb'), account);

  const data = join(directory, 'data');
  const pidFile = join(data, 'postmaster.pid');
  lifetime.watchPidFile(pidFile);
  const port = await freeLoopbackPort();
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c timezone=UTC`;
  const started = await runProgram(
    join(bin, 'pg_ctl'),
    ['start', '--wait', '-D', data, '-l', join(data, 'server.log'), '-o', settings],
    { cwd: data, environment: { ...basicEnvironment(), LC_ALL: 'C' }, account, timeoutMs: 120_000 },
  );
  if (started.exitCode !== 0) {
    const log = await readFile(join(data, 'server.log'), 'utf8').catch(() => '');
    throw new LocalStackError(
      'postgres_failed',
      `PostgreSQL ${version} did not start:\n${started.output}${log}`,
    );
  }
  const pid = Number.parseInt(await readFile(pidFile, 'utf8'), 10);
  const forget = stopAtExit(pid);
  const end = async (signals: NodeJS.Signals[]): Promise<void> => {
    await endProcess(pid, signals);
    forget();
  };
  const server: PostgresServer = {
    port,
    pid,
    directory,
    url: ({ role = 'postgres', database = 'postgres' } = {}) =>
      `postgresql://${role}:${passwords[role]}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    stop: () => end(['SIGINT', 'SIGQUIT', 'SIGKILL']),
    crash: () => end(['SIGQUIT', 'SIGKILL']),
  };
  lifetime.onEnd(`PostgreSQL ${version}`, () => server.stop());
  return server;
}

/** Where Debian keeps the programs of one version of PostgreSQL. */
export function debianPrograms(version: number): string {
  return `/usr/lib/postgresql/${version}/bin`;
}

/** The folder of the copied programs. */
async function copyServerTree(version: number, target: string): Promise<string> {
  const library = `/usr/lib/postgresql/${version}`;
  const share = `/usr/share/postgresql/${version}`;
  if (!existsSync(join(library, 'bin', 'initdb'))) {
    throw new LocalStackError('unsupported_platform', `Debian's postgresql-${version} is not installed.`);
  }
  // As below /usr: from bin to share the way is ../../../../share/postgresql/<version>.
  const lib = join(target, library.slice('/usr/'.length));
  const notNeeded = /\/bitcode$|\/man$/;
  await cp(library, lib, { recursive: true, filter: (source) => !notNeeded.test(source) });
  const copiedShare = join(target, share.slice('/usr/'.length));
  await cp(share, copiedShare, {
    recursive: true,
    dereference: true,
    filter: (source) => !notNeeded.test(source),
  });
  for (const file of await readdir(EXTENSIONS)) {
    if (/\.(control|sql)$/.test(file)) await cp(join(EXTENSIONS, file), join(copiedShare, 'extension', file));
  }
  return join(lib, 'bin');
}

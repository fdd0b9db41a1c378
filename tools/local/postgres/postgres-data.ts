import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LocalStackError } from '../local-stack-error.ts';
import type { Account } from './postgres-account.ts';

/** The passwords of the roles that may log in; random per data directory. */
export interface Passwords {
  supabase_admin: string;
  postgres: string;
  authenticator: string;
  supabase_auth_admin: string;
}

/**
 * The passwords of the cluster in `<directory>/data`, which is made first if there is none. They lie in
 * `passwords.json` (0600) so that kept state reopens; `supabase_admin`, the bootstrap superuser, has its own from the
 * start, the other roles get theirs from `prepareSupabase`.
 */
export async function openDataDirectory(
  directory: string,
  initdb: string,
  account: Account | undefined,
): Promise<Passwords> {
  const data = join(directory, 'data');
  const passwordFile = join(directory, 'passwords.json');
  const exists = await readFile(join(data, 'PG_VERSION')).then(
    () => true,
    () => false,
  );
  if (exists) {
    try {
      const kept = JSON.parse(await readFile(passwordFile, 'utf8')) as Passwords;
      // State of a version that had fewer roles.
      const passwords = { ...newPasswords(), ...kept };
      if (Object.keys(passwords).length > Object.keys(kept).length)
        await savePasswords(passwordFile, passwords);
      return passwords;
    } catch (cause) {
      throw new LocalStackError(
        'postgres_failed',
        `${passwordFile} cannot be read, and without its passwords the data beside it cannot be opened. ` +
          'Remove the folder to start afresh.',
        { cause },
      );
    }
  }
  const passwords = newPasswords();
  await savePasswords(passwordFile, passwords);
  await makeCluster({ directory, initdb, account, password: passwords.supabase_admin });
  return passwords;
}

function newPasswords(): Passwords {
  return {
    supabase_admin: randomPassword(),
    postgres: randomPassword(),
    authenticator: randomPassword(),
    supabase_auth_admin: randomPassword(),
  };
}

async function savePasswords(file: string, passwords: Passwords): Promise<void> {
  await writeFile(file, `${JSON.stringify(passwords)}\n`, { mode: 0o600 });
}

function randomPassword(): string {
  return randomBytes(18).toString('base64url');
}

/** Made beside and renamed, so that an interrupted initdb is never taken for a cluster. */
async function makeCluster(options: {
  directory: string;
  initdb: string;
  account: Account | undefined;
  password: string;
}): Promise<void> {
  const { directory, initdb, account, password } = options;
  const unfinished = join(directory, 'data.new');
  const passwordFile = join(directory, 'initdb.password');
  await rm(unfinished, { recursive: true, force: true });
  await rm(passwordFile, { force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (account) {
    await chown(unfinished, account.uid, account.gid);
    await chown(passwordFile, account.uid, account.gid);
  }
  const args = [
    `--pgdata=${unfinished}`,
    '--username=supabase_admin',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // As Supabase's images: text sorts as hosted does, not by code point.
    '--locale=C',
    '--locale-provider=icu',
    '--icu-locale=en-US',
    '--no-instructions',
    '--no-sync',
  ];
  try {
    const env = { LC_ALL: 'C', TZ: 'UTC', PATH: process.env.PATH };
    await promisify(execFile)(initdb, args, { cwd: unfinished, env, ...account });
    await rename(unfinished, join(directory, 'data'));
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim();
    throw new LocalStackError('postgres_failed', `initdb failed in ${directory}:\n${said || cause}`, {
      cause,
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

import { execFileSync } from 'node:child_process';
import { chmodSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { LocalStackError } from '../local-stack-error.ts';

/** The operating system account a server runs as. */
export interface Account {
  uid: number;
  gid: number;
}

/**
 * The account to run Postgres as: undefined (our own) unless we are root, as which Postgres refuses to run.
 * Under root `postgres`, else `nobody`: initdb wants an account with a passwd entry, and we add none to the machine.
 */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  found ??= findAccount();
  return found;
}

/** Found once: it takes a process for each number. */
let found: Account | undefined;

function findAccount(): Account {
  for (const name of ['postgres', 'nobody']) {
    const uid = numericId('-u', name);
    const gid = numericId('-g', name);
    if (uid && gid) return { uid, gid };
  }
  throw new LocalStackError(
    'unsupported_platform',
    'PostgreSQL does not run as root, and the system has neither of the accounts postgres and nobody.',
  );
}

function numericId(flag: '-u' | '-g', name: string): number | undefined {
  try {
    return Number(
      execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    return undefined;
  }
}

/** Lets the account pass through `directory` (mkdtemp makes 0700), and says so if a folder above bars the way. */
export function openPathFor(account: Account, directory: string): void {
  chmodSync(directory, (statSync(directory).mode & 0o7777) | 0o111);
  for (let path = dirname(directory); ; path = dirname(path)) {
    const { mode, uid, gid } = statSync(path);
    const passable = uid === account.uid ? mode & 0o100 : gid === account.gid ? mode & 0o010 : mode & 0o001;
    if (!passable) {
      throw new LocalStackError(
        'directory_not_accessible',
        `PostgreSQL does not run as root, and the user it runs as (uid ${account.uid}) may not pass through ${path}. ` +
          'Choose a folder outside of it, run as another user, or allow it with chmod o+x.',
      );
    }
    if (path === dirname(path)) return;
  }
}

import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { serverAccount } from './postgres-account.ts';

/**
 * Copies what `startPostgres` keeps in one folder, passwords included, into another, which it then reopens. The server of
 * `from` must be stopped. Making a cluster and migrating it takes seconds of two cores, copying one a fraction of that.
 */
export function copyCluster(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  cpSync(join(from, 'passwords.json'), join(to, 'passwords.json'));
  const data = join(to, 'data');
  cpSync(join(from, 'data'), data, { recursive: true });
  // Postgres refuses a folder that others may read.
  chmodSync(data, 0o700);
  const account = serverAccount();
  if (!account) return;
  chownSync(data, account.uid, account.gid);
  for (const { parentPath, name } of readdirSync(data, { recursive: true, withFileTypes: true }))
    chownSync(join(parentPath, name), account.uid, account.gid);
}

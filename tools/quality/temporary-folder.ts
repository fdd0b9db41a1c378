import { chmod, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lifetime, startLifetime } from '../local/lifetime.ts';

/** Runs `work` with an empty folder that is gone afterwards, also when this process is killed meanwhile. */
export async function withTemporaryFolder<T>(
  work: (folder: string, lifetime: Lifetime) => Promise<T>,
): Promise<T> {
  const lifetime = startLifetime();
  try {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'supapush-quality-')));
    lifetime.removeAtEnd(folder);
    // A database server in it runs as another account when we are root; passing through shows it nothing.
    await chmod(folder, 0o711);
    return await work(folder, lifetime);
  } finally {
    await lifetime.end();
  }
}

import { existsSync } from 'node:fs';
import { chmod, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Lifetime } from './lifetime.ts';
import { copyCluster } from './postgres/copy-cluster.ts';
import { emptyState, lockState } from './stack-lock.ts';

/**
 * Where a stack keeps its database and keys: the given folder, locked, or one of its own that goes with it. Where there is no
 * database yet, it may start with a copy of a cluster: the given one, or that which `SUPAPUSH_CLUSTER` names.
 */
export async function openStackDirectory(
  {
    stateDirectory,
    reset,
    cluster = process.env.SUPAPUSH_CLUSTER,
  }: { stateDirectory?: string; reset?: boolean; cluster?: string },
  lifetime: Lifetime,
): Promise<string> {
  if (stateDirectory !== undefined) {
    const directory = resolve(stateDirectory);
    await lockState(directory, lifetime);
    if (reset) await emptyState(directory);
    copyInto(directory, cluster);
    return await realpath(directory);
  }
  const directory = await mkdtemp(join(await realpath(tmpdir()), 'supapush-'));
  lifetime.removeAtEnd(directory);
  // mkdtemp allows only its owner in; under root, Postgres runs as another user and must pass through.
  await chmod(directory, 0o711);
  copyInto(directory, cluster);
  return directory;
}

function copyInto(directory: string, cluster: string | undefined): void {
  const target = join(directory, 'postgres');
  if (cluster !== undefined && !existsSync(target)) copyCluster(cluster, target);
}

import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { withTemporaryFolder } from '../../../tools/quality/temporary-folder.ts';
import type { Progress } from './bench.ts';
import type { Programs } from './programs.ts';

/** Another commit, checked out with its packages for as long as it is compared. */
export interface OtherCommit {
  folder: string;
  /** Its hash, abbreviated. */
  commit: string;
}

/** The root of the working tree that a folder lies in. */
export async function projectOf(folder: string, programs: Programs): Promise<string> {
  return (await programs.run('git', ['rev-parse', '--show-toplevel'], folder)).stdout.trim();
}

/**
 * Runs `work` with a commit in a git worktree of its own, which is gone afterwards, also when this process is killed.
 * Its packages are ours where `package-lock.json` is the same, and are installed where it is not.
 */
export async function withOtherCommit<T>(
  project: string,
  name: string,
  programs: Programs,
  progress: Progress,
  work: (other: OtherCommit) => Promise<T>,
): Promise<T> {
  const git = async (...args: string[]) => (await programs.run('git', args, project)).stdout.trim();
  const commit = await git('rev-parse', '--short', '--verify', '--end-of-options', `${name}^{commit}`);
  // A comparison that was killed leaves git's note of a folder that is gone.
  await git('worktree', 'prune');
  return await withTemporaryFolder(async (folder, lifetime) => {
    programs.endWith(lifetime);
    const tree = join(folder, commit);
    // Runs also after an interruption, which ends every other program.
    lifetime.onEnd('the worktree', async () => {
      await programs.clean('git', ['worktree', 'remove', '--force', '--force', tree], project);
    });
    progress(`checking out ${commit}`);
    await git('worktree', 'add', '--quiet', '--detach', tree, commit);
    await addPackages(project, tree, programs, progress);
    return await work({ folder: tree, commit });
  });
}

async function addPackages(project: string, tree: string, programs: Programs, progress: Progress) {
  const lock = (folder: string) => readFile(join(folder, 'package-lock.json'), 'utf8').catch(() => undefined);
  const [ours, theirs] = [await lock(project), await lock(tree)];
  if (ours === theirs) {
    await symlink(join(project, 'node_modules'), join(tree, 'node_modules'), 'dir');
    return;
  }
  progress('installing its packages, which are not those of here');
  await programs.run('npm', ['ci', '--no-audit', '--no-fund'], tree);
}

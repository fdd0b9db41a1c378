import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { foldersBelow, type Project } from './find-project.ts';
import { readMigrations } from './migration.ts';
import { BUNDLE_NAME, type Release } from './release.ts';

const DEPTH = 4;

/** The folders of a repository in which service workers may be. Paths are absolute. */
export interface WorkerFolders {
  /** What is in them is of this project. */
  own: string[];
  /** What is in them may as well be of another project of the repository that has Supapush. */
  unclear: string[];
  /** The folders of those projects. */
  others: string[];
}

/**
 * Says in which folders the workers of a project are. A folder in one of several projects is of the nearest; one beside them is of none
 * for sure.
 *
 * @param given the folder that the project's app serves from its root, where a person has named it; absolute
 */
export async function workerFolders(
  project: Project,
  release: Release,
  given: string | undefined,
): Promise<WorkerFolders> {
  const below = await foldersBelow(project.repository, DEPTH);
  const folders = [...new Set([project.repository, project.root, ...below, ...(given ? [given] : [])])];
  const others = await otherProjects(project, release, folders);
  const homes = [project.root, ...others];
  const homeOf = (folder: string) =>
    homes.filter((home) => isIn(folder, home)).sort((one, other) => other.length - one.length)[0];
  const isOwn = (folder: string) =>
    others.length === 0 || folder === given || homeOf(folder) === project.root;
  return {
    own: folders.filter(isOwn),
    unclear: folders.filter((folder) => !isOwn(folder) && !others.includes(homeOf(folder) ?? '')),
    others,
  };
}

/** Other Supabase projects of the repository that have Supapush: what is of both is not one's to change. */
async function otherProjects(
  { repository, root }: Project,
  release: Release,
  folders: readonly string[],
): Promise<string[]> {
  const projects = folders.filter(
    (folder) => folder !== root && existsSync(join(folder, 'supabase/config.toml')),
  );
  const found: string[] = [];
  for (const other of projects) {
    const { ours } = await readMigrations({ root: other, repository });
    if (ours.length > 0 || hasBundle(other, release)) found.push(other);
  }
  return found;
}

/** Whether the bundles of a release are in a project. */
export function hasBundle(root: string, { functions }: Release): boolean {
  return functions.some(({ name }) => existsSync(join(root, 'supabase/functions', name, BUNDLE_NAME)));
}

function isIn(folder: string, home: string): boolean {
  return folder === home || !/^\.\.($|[/\\])/.test(relative(home, folder));
}

/** Those other projects, as a person calls them. */
export function namesOf({ others }: WorkerFolders, { repository }: Project): string {
  return others.map((folder) => relative(repository, folder) || '.').join(', ');
}

/** What is said of a worker in a folder that is not this project's for sure. */
export function unclearWorker(shown: string, folders: WorkerFolders, project: Project, todo: string): string {
  return `${shown} may be of another project with Supapush (${namesOf(folders, project)}), and was left as it is. If it is this one's, ${todo}`;
}

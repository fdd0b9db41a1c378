import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseJson } from '../../shared/parse-json.ts';
import type { Change } from './change.ts';
import type { Project } from './find-project.ts';
import {
  copyOf,
  DISK,
  type Disk,
  draftOf,
  missingFolders,
  pendingFiles,
  refuseTaken,
  removeEmptyFolders,
  removeIfThere,
  writeChanges,
} from './write-changes.ts';

// A run that is killed takes nothing back. So what it is about to write is recorded before it begins, and the next run of any
// command that writes takes it back, or ends it where all was written but for the last tidying.

/** Where it is recorded, below the folder of the project. It is there only while a run writes. */
export const RECORD = 'supabase/.supapush-unfinished.json';

interface RecordedFile {
  /** Relative to the folder of the project. */
  path: string;
  /** Hashes of the text; null where there is no file. */
  before: string | null;
  after: string | null;
}

interface RecordedRun {
  files: RecordedFile[];
  /** Folders that were made, relative to that of the project; the highest first. */
  folders: string[];
}

/** Writes all of the changes or none, also where the process is killed: then the next run takes back what this one wrote. */
export function writeProject(project: Project, changes: readonly Change[], disk: Disk = DISK): void {
  const files = pendingFiles(changes);
  if (files.length === 0) return;
  // What is recorded is taken back, so nothing of a person's may be among it.
  refuseTaken(files);
  const shown = (path: string) => relative(project.root, path);
  const run: RecordedRun = {
    files: files.map(({ path, before, after, kind }) => ({
      path: shown(path),
      before: hashOf(before),
      after: kind === 'remove' ? null : hashOf(after),
    })),
    folders: [...new Set(files.flatMap(({ path }) => missingFolders(dirname(path))))].map(shown),
  };
  const record = join(project.root, RECORD);
  disk.write(record, `${JSON.stringify(run)}\n`, 0o666);
  try {
    writeChanges(changes, disk);
  } catch (error) {
    try {
      takeBackInterrupted(project, disk);
    } catch {
      // The record stays, and the next run tries again.
    }
    throw error;
  }
  disk.remove(record);
}

/** Whether a run was killed while it wrote. */
export function wasInterrupted({ root }: Project): boolean {
  return existsSync(join(root, RECORD));
}

/** What became of a run that was killed. */
export interface Settled {
  /** In words; empty where no run was killed. */
  said: string[];
  /** What is left to a person, in words. */
  left: string[];
}

/** As `takeBackInterrupted`, or, in a dry run, only says that there is something to take back. */
export function settleInterrupted(project: Project, dry: boolean): Settled {
  if (!wasInterrupted(project)) return { said: [], left: [] };
  if (dry) {
    const said =
      'A run before this one was interrupted, and the folder is half written. A run without --dry-run takes that back first.';
    return { said: [said], left: [] };
  }
  return {
    said: ['A run before this one was interrupted. What it had begun to write was taken back first.'],
    left: takeBackInterrupted(project),
  };
}

/**
 * Takes back what a run that was killed has written, or ends it where all was written but for the last tidying. Files that were
 * changed since are left as they are. What is left to a person, in words.
 */
export function takeBackInterrupted(project: Project, disk: Disk = DISK): string[] {
  if (!wasInterrupted(project)) return [];
  const record = join(project.root, RECORD);
  const { files, folders } = readRecord(record);
  const home = realpathSync(project.repository);
  // A record that came with a repository must not reach what lies beside it.
  const found = files
    .map((file) => ({ ...file, path: resolve(project.root, file.path) }))
    .filter(({ path }) => isBelow(realpathSync(nearest(path)), home));
  const isWhole =
    found.every(({ path, after }) => (after === null ? !existsSync(path) : !existsSync(draftOf(path)))) &&
    found.some(({ path, before }) => hashAt(path) !== before);
  const left: string[] = [];
  for (const file of found.toReversed()) {
    const { path, before, after } = file;
    const now = hashAt(path);
    if (isWhole || now === before) removeIfThere(copyOf(path), disk);
    else if (now === after && before === null) disk.remove(path);
    else if (now === after && existsSync(copyOf(path))) disk.rename(copyOf(path), path);
    else left.push(changedSince(project, path));
  }
  // Drafts last: as long as there is one, it is known that not all was written.
  for (const { path } of found) removeIfThere(draftOf(path), disk);
  if (isWhole) {
    for (const { path, after } of found) if (after === null) removeEmptyFolders(nearest(dirname(path)), disk);
  } else {
    for (const folder of folders.toReversed()) removeMadeFolder(resolve(project.root, folder), disk);
  }
  disk.remove(record);
  return left;
}

function changedSince({ repository }: Project, path: string): string {
  const copy = existsSync(copyOf(path))
    ? ` What it was before is in ${relative(repository, copyOf(path))}.`
    : '';
  return `${relative(repository, path)} was changed after a run that was interrupted, and was left as it is.${copy}`;
}

/** A run that was killed while it recorded has done nothing else. */
function readRecord(record: string): RecordedRun {
  const run = parseJson(readFileSync(record, 'utf8')) as Partial<RecordedRun> | null | undefined;
  return { files: run?.files ?? [], folders: run?.folders ?? [] };
}

function removeMadeFolder(folder: string, disk: Disk): void {
  try {
    if (existsSync(folder)) disk.removeFolder(folder);
  } catch (error) {
    // A person put a file there since.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY')) throw error;
  }
}

/** What is there of a path: itself, or the nearest folder above it. */
function nearest(path: string): string {
  return existsSync(path) ? path : nearest(dirname(path));
}

function isBelow(path: string, home: string): boolean {
  return path === home || !/^\.\.($|[/\\])/.test(relative(home, path));
}

function hashAt(path: string): string | null {
  return existsSync(path) ? hashOf(readFileSync(path, 'utf8')) : null;
}

function hashOf(text: string | null): string | null {
  return text === null ? null : createHash('sha256').update(text).digest('base64url');
}

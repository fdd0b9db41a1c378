import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../../shared/parse-json.ts';
import { isRunning } from '../is-running.ts';
import type { Change } from './change.ts';
import type { Project } from './find-project.ts';
import { InitRefusal } from './refusal.ts';
import {
  copyOf,
  DISK,
  type Disk,
  draftOf,
  missingFolders,
  pendingFiles,
  refuseTaken,
  removeEmptyFolders,
  writeChanges,
} from './write-changes.ts';

// A run that is killed takes nothing back. So what it is about to write is recorded before it begins, and the next run of any
// command that writes takes it back, or ends it where all was written but for the last tidying.

/** Where it is recorded, below the folder of the project. It is there only while a run writes. */
export const RECORD = 'supabase/.supapush-unfinished.json';

/** Control characters have no place in what a terminal shows. */
const path = z.string().regex(/^\P{Cc}+$/u);
const hash = z.string().nullable();

const recordedRun = z.object({
  /** The process that writes. */
  pid: z.int().positive().optional(),
  files: z.array(
    z.object({
      /** Relative to the folder of the project. */
      path,
      /** Hashes of the text; null where there is no file. */
      before: hash,
      after: hash,
    }),
  ),
  /** Folders that were made, relative to that of the project; the highest first. */
  folders: z.array(path),
});

type RecordedRun = z.infer<typeof recordedRun>;
type RecordedFile = RecordedRun['files'][number];

/** Writes all of the changes or none, also where the process is killed: then the next run takes back what this one wrote. */
export function writeProject(project: Project, changes: readonly Change[], disk: Disk = DISK): void {
  const files = pendingFiles(changes);
  if (files.length === 0) return;
  // What is recorded is taken back, so nothing of a person's may be among it.
  refuseTaken(files);
  const shown = (path: string) => relative(project.root, path);
  const run: RecordedRun = {
    pid: process.pid,
    files: files.map(({ path, before, after, kind }) => ({
      path: shown(path),
      before: hashOf(before),
      after: kind === 'remove' ? null : hashOf(after),
    })),
    folders: [...new Set(files.flatMap(({ path }) => missingFolders(dirname(path))))].map(shown),
  };
  const record = join(project.root, RECORD);
  writeRecord(record, `${JSON.stringify(run)}\n`, disk);
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

function writeRecord(record: string, text: string, disk: Disk): void {
  try {
    disk.write(record, text, 0o666);
  } catch (cause) {
    if (isOfCode(cause, ['EEXIST']))
      throw new InitRefusal(
        'not_written',
        `${record} is there: another run has begun to write meanwhile. Nothing was written: run this again.`,
        { cause },
      );
    try {
      removeFile(record, disk);
    } catch {
      // A part of it, which the next run removes.
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InitRefusal('not_written', `${reason}. Nothing was written.`, { cause });
  }
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

/**
 * As `takeBackInterrupted`, or, in a dry run, only says that there is something to take back.
 *
 * @throws `not_written` while the run that wrote the record goes on
 */
export function settleInterrupted(project: Project, dry: boolean): Settled {
  if (!wasInterrupted(project)) return { said: [], left: [] };
  if (dry) {
    refuseRunning(project, readRecord(project));
    const said =
      'A run before this one was interrupted, and the folder is half written. A run without --dry-run takes that back first.';
    return { said: [said], left: [] };
  }
  const left = takeBackInterrupted(project);
  const rest = left.length === 0 ? '' : ', but for what is left to you';
  return {
    said: [`A run before this one was interrupted. What it had begun to write was taken back first${rest}.`],
    left,
  };
}

/**
 * Takes back what a run that was killed has written, or ends it where all was written but for the last tidying. Files that were
 * changed since are left as they are, as are those outside of the repository. What is left to a person, in words.
 *
 * @throws `not_written` while that run goes on
 */
export function takeBackInterrupted(project: Project, disk: Disk = DISK): string[] {
  if (!wasInterrupted(project)) return [];
  const run = readRecord(project);
  refuseRunning(project, run);
  const home = realpathSync(project.repository);
  const files = run.files.map((file) => ({ ...file, path: resolve(project.root, file.path) }));
  // A record that came with a repository must not reach what lies beside it.
  const found = files.filter(({ path }) => isInside(path, home));
  const isWhole =
    files.every(({ path, after }) => (after === null ? !existsSync(path) : !existsSync(draftOf(path)))) &&
    files.some(({ path, before }) => hashAt(path) !== before);
  const left: string[] = [];
  for (const file of files) if (!found.includes(file)) left.push(...leftOutside(file, isWhole));
  for (const file of found.toReversed()) {
    const { path, before, after } = file;
    const now = hashAt(path);
    if (isWhole || now === before) removeFile(copyOf(path), disk);
    else if (now === after && before === null) disk.remove(path);
    else if (now === after && isFile(copyOf(path))) disk.rename(copyOf(path), path);
    else left.push(changedSince(project, path));
  }
  // Drafts last: as long as there is one, it is known that not all was written.
  for (const { path } of found) removeFile(draftOf(path), disk);
  if (isWhole) {
    for (const { path, after } of found) if (after === null) removeEmptyFolders(nearest(dirname(path)), disk);
  } else {
    const made = run.folders.map((folder) => resolve(project.root, folder));
    for (const folder of made.toReversed()) if (isInside(folder, home)) removeMadeFolder(folder, disk);
  }
  disk.remove(join(project.root, RECORD));
  return left;
}

function refuseRunning({ root }: Project, { pid }: RecordedRun): void {
  if (pid === undefined || pid === process.pid || !isRunning(pid)) return;
  throw new InitRefusal(
    'not_written',
    `Another run, process ${pid}, writes into this project. Nothing was written: run this again when it has ended. If that process ` +
      `is something else, take "pid" out of ${join(root, RECORD)}.`,
  );
}

/** What a run that was killed may have left of a file outside of the repository, where nothing is taken back. */
function leftOutside({ path, before, after }: RecordedFile, isWhole: boolean): string[] {
  const beside = [draftOf(path), copyOf(path)].filter((one) => existsSync(one));
  const isWritten = !isWhole && after !== before && hashAt(path) === after;
  if (beside.length === 0 && !isWritten) return [];
  const rest = beside.length === 0 ? '' : ` Beside it there is ${beside.join(' and ')}.`;
  return [
    `${path} is outside of this repository. A run that was interrupted has written there, and it was left as it is: look at it.${rest}`,
  ];
}

function changedSince({ repository }: Project, path: string): string {
  const copy = existsSync(copyOf(path))
    ? ` What it was before is in ${relative(repository, copyOf(path))}.`
    : '';
  return `${relative(repository, path)} was changed after a run that was interrupted, and was left as it is.${copy}`;
}

/** A run that was killed while it recorded has done nothing else. */
function readRecord({ root }: Project): RecordedRun {
  const run = recordedRun.safeParse(parseJson(readFileSync(join(root, RECORD), 'utf8')));
  return run.success ? run.data : { files: [], folders: [] };
}

function removeMadeFolder(folder: string, disk: Disk): void {
  try {
    if (existsSync(folder)) disk.removeFolder(folder);
  } catch (error) {
    // A person put a file there since, or in its place.
    if (!isOfCode(error, ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'])) throw error;
  }
}

function isOfCode(error: unknown, codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** What is there of a path: itself, or the nearest folder above it. */
function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}

/** Whether a path, and what lies beside it, is really below a folder. */
function isInside(path: string, home: string): boolean {
  return [path, dirname(path)].every((one) => {
    const shown = relative(home, realpathSync(nearest(one)));
    return !isAbsolute(shown) && !/^\.\.($|[/\\])/.test(shown);
  });
}

function isFile(path: string): boolean {
  try {
    return lstatSync(path).isFile();
  } catch {
    return false;
  }
}

/** Ours are files: a folder or a link by that name is not. */
function removeFile(path: string, disk: Disk): void {
  if (isFile(path)) disk.remove(path);
}

/** Null where there is nothing, and no hash of any text where there is no file that can be read. */
function hashAt(path: string): string | null {
  if (!existsSync(path)) return null;
  try {
    return statSync(path).isFile() ? hashOf(readFileSync(path, 'utf8')) : '';
  } catch {
    return '';
  }
}

function hashOf(text: string | null): string | null {
  return text === null ? null : createHash('sha256').update(text).digest('base64url');
}

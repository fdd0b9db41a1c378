import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type Change, isPending } from './change.ts';
import { InitRefusal } from './refusal.ts';

/** What is done to a folder, one step a call. */
export interface Disk {
  makeFolder(path: string): void;
  /** Makes a file that was not there. */
  write(path: string, text: string, mode: number): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  removeFolder(path: string): void;
}

export const DISK: Disk = {
  makeFolder: (path) => mkdirSync(path),
  write: (path, text, mode) => writeFileSync(path, text, { flag: 'wx', mode }),
  rename: renameSync,
  remove: (path) => rmSync(path),
  removeFolder: (path) => rmdirSync(path),
};

type Step = () => void;

/** A file that is to be written or removed, where it really lies, and who may read it. */
type PendingFile = Change & { mode: number };

/** The files that changes write or remove. */
export function pendingFiles(changes: readonly Change[]): PendingFile[] {
  return changes.filter(isPending).map((change) => {
    const there = existsSync(change.path);
    return {
      ...change,
      // What a link leads to is written, but it is the link that is removed.
      path: there && change.kind !== 'remove' ? realpathSync(change.path) : change.path,
      mode: there ? statSync(change.path).mode & 0o777 : 0o666,
    };
  });
}

/**
 * Writes all of the changes or none: first everything under other names, then by renaming; files are removed last, and the folders
 * that are empty then. When a step fails, those before it are taken back. It does not give way to the event loop, so that Ctrl-C meanwhile waits for the end.
 *
 * Throws `file_changed` where a file is no longer what the changes were made for, and `not_written` with what went wrong.
 */
export function writeChanges(changes: readonly Change[], disk: Disk = DISK): void {
  const real = pendingFiles(changes);
  const undo: Step[] = [];
  const ignore = () => undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ignore);
  try {
    for (const change of real) refuseChanged(change);
    refuseTaken(real);
    for (const change of real) stage(change, disk, undo);
    for (const { path, before, kind, mode } of real) {
      // A file that was there is replaced in one step: it never is not there.
      if (kind === 'remove') disk.remove(path);
      else disk.rename(draftOf(path), path);
      undo.push(() => (before === null ? disk.remove(path) : restore(path, before, mode, disk)));
    }
    for (const { path, before } of real) if (before !== null) disk.remove(copyOf(path));
    for (const { path, kind } of real) if (kind === 'remove') removeEmptyFolders(dirname(path), disk, undo);
  } catch (cause) {
    const left = takeBack(undo);
    if (cause instanceof InitRefusal && left.length === 0) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const rest =
      left.length === 0 ? 'Nothing was written.' : `And this could not be taken back: ${left.join('; ')}`;
    throw new InitRefusal('not_written', `${reason}. ${rest}`, { cause });
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, ignore);
  }
}

/** What a file's new text is called until all of them are written. */
export const DRAFT = '.supapush-new';

/** What a copy of its old text is called meanwhile. */
export const COPY = '.supapush-old';

export const draftOf = (path: string) => `${path}${DRAFT}`;
export const copyOf = (path: string) => `${path}${COPY}`;

/** Throws `not_written` where a file that this run would make meanwhile is there, and is not of a run that was killed. */
export function refuseTaken(files: readonly Change[]): void {
  for (const change of files) {
    for (const { to, text } of meanwhile(change))
      if (lstatSync(to, { throwIfNoEntry: false }) && !isOfInterruptedRun(to, text)) throw taken(to);
  }
}

function taken(path: string): InitRefusal {
  return new InitRefusal(
    'not_written',
    `${path} is there, and is not what this run would write there. Move it away, and run this again. Nothing was written.`,
  );
}

/** What lies beside a file until all of them are written. */
function meanwhile({ path, before, after, kind }: Change): { to: string; text: string }[] {
  return [
    ...(kind === 'remove' ? [] : [{ to: draftOf(path), text: after }]),
    ...(before === null ? [] : [{ to: copyOf(path), text: before }]),
  ];
}

function refuseChanged({ path, before }: Change): void {
  const now = existsSync(path) ? readFileSync(path, 'utf8') : null;
  if (now !== before)
    throw new InitRefusal(
      'file_changed',
      `${path} was changed meanwhile. Nothing was written: run this again.`,
    );
}

/** The new text beside its place, and a copy of the old, so that taking it back needs no room on the disk. */
function stage(change: PendingFile, disk: Disk, undo: Step[]): void {
  for (const folder of missingFolders(dirname(change.path))) {
    disk.makeFolder(folder);
    undo.push(() => disk.removeFolder(folder));
  }
  for (const { to, text } of meanwhile(change)) {
    if (isOfInterruptedRun(to, text)) disk.remove(to);
    try {
      disk.write(to, text, change.mode);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw taken(to);
      // A write that fails may leave a part of the file.
      undo.push(() => removeIfThere(to, disk));
      throw error;
    }
    undo.push(() => removeIfThere(to, disk));
  }
}

/** Whether a file is what a run that was killed has left there: the text, or a part of it. */
function isOfInterruptedRun(path: string, text: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  const found = readFileSync(path);
  return Buffer.from(text).subarray(0, found.length).equals(found);
}

/** The folders that are not there, the highest first. */
export function missingFolders(folder: string): string[] {
  return existsSync(folder) ? [] : [...missingFolders(dirname(folder)), folder];
}

/** From the folder upwards. */
export function removeEmptyFolders(folder: string, disk: Disk, undo: Step[] = []): void {
  if (!existsSync(folder) || readdirSync(folder).length > 0) return;
  disk.removeFolder(folder);
  undo.push(() => disk.makeFolder(folder));
  removeEmptyFolders(dirname(folder), disk, undo);
}

function restore(path: string, before: string, mode: number, disk: Disk): void {
  if (!existsSync(copyOf(path))) disk.write(copyOf(path), before, mode);
  disk.rename(copyOf(path), path);
}

export function removeIfThere(path: string, disk: Disk): void {
  if (existsSync(path)) disk.remove(path);
}

/** Takes back the steps, the last first; what could not be taken back, in words. */
function takeBack(undo: readonly Step[]): string[] {
  const left: string[] = [];
  for (const step of undo.toReversed()) {
    try {
      step();
    } catch (error) {
      left.push(error instanceof Error ? error.message : String(error));
    }
  }
  return left;
}

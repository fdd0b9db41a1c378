import { existsSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readOr } from './read-text.ts';
import { isOurWorker, LOADED } from './worker-text.ts';

/** A service worker in a folder of an app. */
export interface WorkerFile {
  name: string;
  path: string;
  text: string;
}

/** What apps call the worker of their root. */
const ROOT_WORKER = /^(sw|service-?worker)\.js$/i;
/** More than the line by which ours is known. */
const HEAD_BYTES = 256;

/** The service workers that a folder has: those by the names that apps give them, `sw.js` first, and ours by any name. */
export async function workersIn(folder: string): Promise<WorkerFile[]> {
  const names = existsSync(folder) ? (await readdir(folder)).filter((name) => name.endsWith('.js')) : [];
  const found: WorkerFile[] = [];
  for (const name of names.sort(
    (one, other) => Number(other === 'sw.js') - Number(one === 'sw.js') || (one < other ? -1 : 1),
  )) {
    const path = join(folder, name);
    if (!(await isFile(path))) continue;
    if (name !== LOADED && !ROOT_WORKER.test(name) && !isOurWorker(await headOf(path))) continue;
    const text = await readOr(path);
    if (text !== null) found.push({ name, path, text });
  }
  return found;
}

/** Not so of a folder by the name of a script, or of a link that leads nowhere. */
async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** Other scripts of an app may be large: of those only the beginning is read. One that cannot be read is not ours. */
async function headOf(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return '';
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(HEAD_BYTES) });
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}

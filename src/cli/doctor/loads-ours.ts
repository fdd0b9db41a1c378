import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { foldersBelow } from '../init/find-project.ts';
import { readIfReadable } from '../init/read-text.ts';
import { isOurWorker, namesOurs } from '../init/worker-text.ts';

const DEPTH = 4;
const SOURCE = /\.[cm]?[jt]sx?$/;

/** Whether a source of an app, or what it sets for its build, imports the handler of Supapush or loads our worker. */
export async function loadsOurs(app: string): Promise<boolean> {
  for (const folder of [app, ...(await foldersBelow(app, DEPTH))]) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      // Functions are no part of the app.
      if (!entry.isFile() || !SOURCE.test(entry.name) || /supabase[/\\]functions/.test(folder)) continue;
      const text = (await readIfReadable(join(folder, entry.name))) ?? '';
      if (!isOurWorker(text) && namesOurs(text)) return true;
    }
  }
  return false;
}

import { dirname, join } from 'node:path';
import { parseJson } from '../../shared/parse-json.ts';
import type { Project } from './find-project.ts';
import { readOr } from './read-text.ts';

/** The first that knows `functions deploy --use-api`, which bundles without Docker (February 2025). */
const OLDEST = [2, 13];

/** What to do about a Supabase CLI that npx would call here, and that is too old for the commands that init names. */
export async function faultsOfCli(project: Project): Promise<string[]> {
  const version = await installedVersion(project);
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  if (version === undefined || major > oldestMajor || (major === oldestMajor && minor >= oldestMinor))
    return [];
  return [
    `Your Supabase CLI is ${version}, which does not know functions deploy --use-api: update it (npm install --save-dev supabase), or leave ` +
      'the option out, and it bundles with Docker.',
  ];
}

/** Of the one in node_modules, from the project up to its repository: without one, npx fetches the newest. */
async function installedVersion({ root, repository }: Project): Promise<string | undefined> {
  for (let folder = root; ; folder = dirname(folder)) {
    const manifest = parseJson((await readOr(join(folder, 'node_modules/supabase/package.json'))) ?? '') as
      | { version?: unknown }
      | undefined;
    if (typeof manifest?.version === 'string') return manifest.version;
    if (folder === repository || dirname(folder) === folder) return undefined;
  }
}

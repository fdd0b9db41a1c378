import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SupapushError } from '../../shared/errors.ts';
import { parseJson } from '../../shared/parse-json.ts';
import { foldersBelow, type Project } from './find-project.ts';
import { readOr } from './read-text.ts';

/** An app with a page, and the folder whose files it serves from its root. Paths are absolute. */
export interface WebApp {
  folder: string;
  publicFolder: string;
  /** Names of the packages it names. */
  packages: string[];
}

/** By a package of the framework: the first that an app has counts, as most of them bring vite along. */
const PUBLIC_FOLDERS: [framework: string, folder: string][] = [
  ['next', 'public'],
  ['nuxt', 'public'],
  ['@sveltejs/kit', 'static'],
  ['astro', 'public'],
  ['gatsby', 'static'],
  ['@angular/core', 'public'],
  ['react-scripts', 'public'],
  ['expo', 'public'],
  ['vite', 'public'],
];

/**
 * The app of the repository that browsers load, found by its framework, or a folder of plain pages. Undefined where there is none.
 *
 * @param given the public folder, where a person has named it; absolute
 * @throws `usage` where there are several
 */
export async function findWebApp(project: Project, given: string | undefined): Promise<WebApp | undefined> {
  const folders = [project.repository, ...(await foldersBelow(project.repository, 3))];
  const apps = (await Promise.all(folders.map(webAppOf))).filter((app) => app !== undefined);
  if (given !== undefined) {
    const owner = apps.filter(({ folder }) => !relative(folder, given).startsWith('..')).at(-1);
    return { folder: owner?.folder ?? given, publicFolder: given, packages: owner?.packages ?? [] };
  }
  const [app, ...others] = apps;
  if (others.length > 0) {
    const names = apps.map(({ publicFolder }) => relative(project.repository, publicFolder));
    throw new SupapushError(
      'usage',
      `There are several apps here. Say where the service worker goes: --public ${names.join(', or --public ')}; or --no-worker`,
    );
  }
  return app ?? plainPages(project);
}

async function webAppOf(folder: string): Promise<WebApp | undefined> {
  const manifest = parseJson((await readOr(join(folder, 'package.json'))) ?? '{}') as {
    dependencies?: object;
    devDependencies?: object;
  } | null;
  const packages = Object.keys({ ...manifest?.dependencies, ...manifest?.devDependencies });
  const framework = PUBLIC_FOLDERS.find(([name]) => packages.includes(name));
  return framework && { folder, publicFolder: join(folder, framework[1]), packages };
}

function plainPages({ repository, root }: Project): WebApp | undefined {
  for (const folder of [repository, root]) {
    const places = [join(folder, 'public'), folder];
    const found = places.find((place) => existsSync(join(place, 'index.html')));
    if (found !== undefined) return { folder, publicFolder: found, packages: [] };
  }
  return undefined;
}

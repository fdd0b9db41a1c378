import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresServer } from '../local/postgres/postgres-server.ts';
import { readSchema } from '../quality/schema/schema-files.ts';
import { type WithMigrated, withMigratedDatabase } from '../quality/throwaway-database.ts';
import { readDatabase } from './catalog.ts';
import { FOR_OWNER } from './comments.ts';
import { errorsPage } from './errors-page.ts';
import { byCaller, rpcPage, sqlPage } from './function-pages.ts';
import { indexPage } from './index-page.ts';
import { type Links, linksFrom } from './links.ts';
import { openApi } from './openapi.ts';
import { publicPart } from './public-part.ts';
import { settingsPage, tablesPage } from './relation-pages.ts';

/** Relative to the project. */
export const REFERENCE = 'docs/reference';

/** The files of `docs/reference` for a project, by name. Throws where something that is public could not be told. */
export function writeReference(
  project: string,
  withMigrated: WithMigrated = withMigratedDatabase,
): Promise<Map<string, string>> {
  return withMigrated(project, async (server) => (await gather(project, server)).files);
}

/** Whether the committed reference is that of the sources, and has every function of ours that a page names. */
export function checkReference(
  project: string,
  withMigrated: WithMigrated = withMigratedDatabase,
): Promise<string[]> {
  return withMigrated(project, async (server) => {
    const { files, links, functions } = await gather(project, server);
    const problems: string[] = [];
    for (const [name, text] of files) {
      const committed = await readFile(join(project, REFERENCE, name), 'utf8').catch(() => '');
      if (committed !== text) problems.push(`${REFERENCE}/${name} is out of date. Run: npm run reference`);
    }
    return [...problems, ...(await unlistedFunctions(project, functions, links))];
  });
}

/** What pages tell people to call, and the reference does not have. */
async function unlistedFunctions(project: string, functions: Set<string>, links: Links): Promise<string[]> {
  const problems: string[] = [];
  const pages: string[] = [];
  for await (const file of glob(['README.md', 'docs/{start,guides,operate}/*.md', 'examples/*/README.md'], {
    cwd: project,
  }))
    pages.push(file);
  for (const file of pages.sort()) {
    const named = (await readFile(join(project, file), 'utf8')).matchAll(/\bpush\.\w+(?=\()/g);
    for (const name of new Set([...named].map(([found]) => found))) {
      if (functions.has(name) && links(name) === undefined)
        problems.push(
          `${file} names ${name}(), which ${REFERENCE} leaves out: end its comment with "${FOR_OWNER}"`,
        );
    }
  }
  return problems;
}

async function gather(
  project: string,
  server: PostgresServer,
): Promise<{ files: Map<string, string>; links: Links; functions: Set<string> }> {
  const database = await readDatabase(server.url({ role: 'supabase_admin' }));
  const schema = await readSchema(project);
  const told = publicPart(database, schema);
  const callers = byCaller(told, await calledByFunctions(project));
  const manifest = JSON.parse(await readFile(join(project, 'package.json'), 'utf8')) as { version: string };
  const links = (file: string) => linksFrom(file, told);
  const files = new Map([
    ['README.md', indexPage(told, callers, links('README.md'))],
    ['sql.md', sqlPage(told, links('sql.md'))],
    ['rpc.md', rpcPage(callers, links('rpc.md'))],
    ['tables.md', tablesPage(told, links('tables.md'))],
    ['settings.md', settingsPage(told, links('settings.md'))],
    ['errors.md', errorsPage(schema, links('errors.md'))],
    ['openapi.json', `${JSON.stringify(openApi(manifest.version), null, 2)}\n`],
  ]);
  return { files, links: links(''), functions: new Set(database.functions.map(({ name }) => name)) };
}

/** The RPCs that the Edge Functions call, by their own sources. */
async function calledByFunctions(project: string): Promise<Set<string>> {
  const called = new Set<string>();
  for await (const file of glob('src/server/**/*.ts', { cwd: project })) {
    const text = await readFile(join(project, file), 'utf8');
    for (const [, name = ''] of text.matchAll(/\.rpc\('(\w+)'/g)) called.add(name);
  }
  return called;
}

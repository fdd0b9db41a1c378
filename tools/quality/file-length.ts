import { glob, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { findEdgeFunctions } from '../local/functions/edge-function.ts';
import { readLocalConfig } from '../local/local-config.ts';

const MAX_SOURCE_LINES = 300;
const MAX_ENTRYPOINT_LINES = 20;

/** An Edge Function's entrypoint reads the environment, builds and serves, and leaves the rest to its handler. */
export async function checkEntrypointLength(project: string): Promise<string[]> {
  const functions = await findEdgeFunctions(await readLocalConfig(project));
  const files = functions.map(({ entrypoint }) => relative(project, entrypoint));
  return await longerThan(project, files, MAX_ENTRYPOINT_LINES);
}

/** A source file has one reason to exist and fits in the head; generated ones aside. */
export async function checkSourceLength(project: string): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob('{src,tools,test,supabase/schemas}/**/*.{ts,tsx,sql}', { cwd: project })) {
    if (!/\.generated\.tsx?$/.test(file)) files.push(file);
  }
  return await longerThan(project, files.sort(), MAX_SOURCE_LINES);
}

async function longerThan(project: string, files: string[], limit: number): Promise<string[]> {
  const problems: string[] = [];
  for (const file of files) {
    const lines = (await readFile(join(project, file), 'utf8')).trimEnd().split('\n').length;
    if (lines > limit) problems.push(`${file} has ${lines} lines, ${limit} at most`);
  }
  return problems;
}

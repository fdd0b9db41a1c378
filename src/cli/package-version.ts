import { readFile } from 'node:fs/promises';

/** The version of the package, whose manifest lies beside `src` as beside `dist`. */
export async function packageVersion(): Promise<string> {
  const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** What the chapter of a page says, block by block. */
export interface QuickStart {
  /** By the path in the comment of their first line. */
  readonly files: ReadonlyMap<string, string>;
  /** All lines of its `sh` blocks that are commands. */
  readonly commands: readonly string[];
  readonly sql: string;
}

/** Reads the chapter of this heading of a page, whose path is relative to the project. */
export async function readQuickStart(path: string, heading: string): Promise<QuickStart> {
  const page = await readFile(join(PROJECT, path), 'utf8');
  const [, section = ''] = page.split(`\n${heading}\n`);
  const [chapter = ''] = section.split('\n## ');
  const files = new Map<string, string>();
  const commands: string[] = [];
  let sql = '';
  for (const [, language, text = ''] of chapter.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
    const path = /^(?:\/\/|#|<!--) (\S+)(?: -->)?\n/.exec(text)?.[1];
    if (path) files.set(path, text);
    else if (language === 'sql') sql = text;
    else if (language === 'sh') commands.push(...text.trim().split('\n'));
  }
  return { files, commands, sql };
}

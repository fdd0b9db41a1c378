import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDERS = ['docs/start', 'docs/guides', 'docs/operate'];

/** A fenced block of a page. */
export interface CodeBlock {
  /** From the project's root: `docs/guides/rules.md`. */
  page: string;
  /** Of its first line in the page, from 1. */
  line: number;
  /** The first word after the fence; empty where there is none. */
  language: string;
  /** An `outline` is read by people only: what it needs is not here, or not a program. */
  outline: boolean;
  text: string;
}

/** The code blocks of the README and of all pages for users, in their order. */
export async function readCodeBlocks(): Promise<CodeBlock[]> {
  const pages = ['README.md'];
  for (const folder of FOLDERS) {
    const names = (await readdir(join(PROJECT, folder))).filter((name) => name.endsWith('.md'));
    pages.push(...names.sort().map((name) => `${folder}/${name}`));
  }
  const blocks = await Promise.all(
    pages.map(async (page) => codeBlocksOf(page, await readFile(join(PROJECT, page), 'utf8'))),
  );
  return blocks.flat();
}

/** Throws where a fence is not closed. */
export function codeBlocksOf(page: string, text: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: (CodeBlock & { lines: string[] }) | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^\s*(?:```|~~~)(.*)$/.exec(line);
    if (open && fence) {
      const { lines, ...block } = open;
      blocks.push({ ...block, text: `${lines.join('\n')}\n` });
      open = undefined;
    } else if (open) {
      open.lines.push(line);
    } else if (fence) {
      const [language = '', ...words] = (fence[1] ?? '').trim().split(/\s+/);
      open = { page, line: index + 2, language, outline: words.includes('outline'), text: '', lines: [] };
    }
  }
  if (open) throw new Error(`${page}:${open.line - 1}: this block has no end`);
  return blocks;
}

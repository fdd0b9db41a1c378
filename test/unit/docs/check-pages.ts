import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withTemporaryFolder } from '../../../tools/quality/temporary-folder.ts';
import { checkTypes } from '../../../tools/quality/type-check.ts';
import type { CodeBlock } from '../../support/code-blocks.ts';
import { FRAMEWORKS, PRESUPPOSED, WORKER_SCRIPT } from './presupposed.ts';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

const COMPILER = {
  target: 'es2024',
  lib: ['ES2024', 'DOM', 'DOM.Iterable'],
  module: 'esnext',
  moduleResolution: 'bundler',
  moduleDetection: 'force',
  types: ['vite/client', 'node'],
  jsx: 'react-jsx',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  erasableSyntaxOnly: true,
  noEmit: true,
  paths: {
    'supapush/client': [join(PROJECT, 'src/device/client/index.ts')],
    'supapush/react': [join(PROJECT, 'src/device/react/index.ts')],
    'supapush/service-worker': [join(PROJECT, 'src/device/service-worker/index.ts')],
    'supapush/testing': [join(PROJECT, 'src/testing/index.ts')],
    'supapush/react.css': [join(PROJECT, 'src/device/react/supapush.css')],
  },
};

/**
 * Checks the types of blocks against what the package exports and the database's generated types. Returns what is wrong,
 * each line beginning with page and line.
 */
export function checkPages(blocks: readonly CodeBlock[]): Promise<string[]> {
  return withTemporaryFolder(async (folder) => {
    await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: COMPILER, include: ['**/*'] }),
    );
    await writeFile(join(folder, 'presupposed.ts'), PRESUPPOSED);
    await writeFile(join(folder, 'frameworks.d.ts'), FRAMEWORKS);
    const pages = new Map<string, CodeBlock>();
    for (const block of blocks) {
      const file = fileOf(block);
      pages.set(file, block);
      await mkdir(dirname(join(folder, file)), { recursive: true });
      // As far down as in the page, so that the compiler's lines are the page's.
      const above = (block.language === 'js' ? WORKER_SCRIPT : '') + '\n'.repeat(block.line - 1);
      await writeFile(join(folder, file), above + block.text);
    }
    const said = (await checkTypes(folder)).join('\n').split('\n');
    return said
      .filter((line) => /\S/.test(line))
      .map((line) =>
        line.replace(/^(\S+)\((\d+),\d+\)/, (all, file: string, at: string) => {
          const block = pages.get(file);
          return block ? `${block.page}:${at}` : all;
        }),
      );
  });
}

/** Where a block lies: a file that names itself in its first line beside those of its page, any other by its line. */
function fileOf({ page, line, language, text }: CodeBlock): string {
  const folder = page.replace(/\.md$/, '');
  const path = /^\/\/ (\S+\.tsx?)\n/.exec(text)?.[1];
  // A worker's script is JavaScript in the page; as TypeScript it is checked strictly.
  return join(folder, path ?? `line-${line}.${language === 'js' ? 'ts' : language}`);
}

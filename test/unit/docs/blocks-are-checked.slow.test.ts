import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type CodeBlock, codeBlocksOf, readCodeBlocks } from '../../support/code-blocks.ts';
import { checkPages } from './check-pages.ts';

const TYPED = ['ts', 'tsx', 'js'];
/** What test/db/guides runs, test/browser/quick-start.browser.ts and test/release follow, and the-workflow-is-one.slow.test.ts reads. */
const RUN_ELSEWHERE = ({ language, page }: CodeBlock): boolean =>
  language === 'sql' ||
  (language === 'yaml' && page === 'docs/start/environments.md') ||
  (['html', 'vue', 'svelte'].includes(language) && page === 'docs/start/frameworks.md') ||
  (language === 'sh' && ['docs/start/frameworks.md', 'docs/start/frontend.md', 'README.md'].includes(page));
/** Pages whose commands are given in an app, and not in a clone of this repository. */
const IN_AN_APP = ['docs/start/frontend.md', 'docs/start/frameworks.md'];

const blocks = await readCodeBlocks();
const typed = (all: readonly CodeBlock[]) =>
  all.filter(({ language, outline }) => TYPED.includes(language) && !outline);
const place = ({ page, line, language }: CodeBlock) => `${page}:${line} ${language}`;
const unchecked = (all: readonly CodeBlock[]) =>
  all
    .filter((block) => !block.outline && !TYPED.includes(block.language) && !RUN_ELSEWHERE(block))
    .map(place);

/** Scripts that blocks of commands call and `package.json` does not have. */
async function missingScripts(all: readonly CodeBlock[]): Promise<string[]> {
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as {
    scripts: Record<string, string>;
  };
  return all
    .filter(({ language, page }) => language === 'sh' && !IN_AN_APP.includes(page))
    .flatMap((block) =>
      [...block.text.matchAll(/^npm run (\S+)/gm)]
        .filter(([, script = '']) => !(script in scripts))
        .map(([command]) => `${place(block)}: ${command}`),
    );
}

test('every code block is run, checked, or marked as an outline', () => {
  expect(blocks.length).toBeGreaterThan(50);
  expect(unchecked(blocks)).toEqual([]);
});

test('TypeScript fits what the package exports, and the database’s types', async () => {
  expect(await checkPages(typed(blocks))).toEqual([]);
});

test('commands call scripts that there are', async () => {
  expect(await missingScripts(blocks)).toEqual([]);
});

const planted = (fence: string, ...lines: string[]) =>
  codeBlocksOf('docs/guides/planted.md', ['# Planted', '', `\`\`\`${fence}`, ...lines, '```'].join('\n'));

test('a block that is neither is named, and one without an end is refused', async () => {
  expect(unchecked(planted('swift', 'func report() {}'))).toEqual(['docs/guides/planted.md:4 swift']);
  expect(unchecked(planted('', 'anything'))).toEqual(['docs/guides/planted.md:4 ']);
  expect(unchecked(planted('swift outline', 'func report() {}'))).toEqual([]);
  expect(await missingScripts(planted('sh outline', 'npm run dmeo'))).toEqual([
    'docs/guides/planted.md:4 sh: npm run dmeo',
  ]);
  expect(() => codeBlocksOf('docs/planted.md', '```ts\nconst a = 1;\n')).toThrow('docs/planted.md:1');
});

test('calls of what is not there are told by page and line: an export, a column, a function, a member', async () => {
  const wrong = [
    ...planted('ts', `import { createPushCleint } from 'supapush/client';`, 'createPushCleint(supabase);'),
    ...planted('tsx outline', '', '', '', '<PushProvider clinet={push} />;').map((block) => ({
      ...block,
      page: 'docs/b.md',
    })),
    ...planted('ts', `await supabase.from('push_alerts').insert({ symbl: 'DAX', condition: 'above' });`).map(
      (block) => ({ ...block, page: 'docs/c.md' }),
    ),
    ...planted('ts', `await supabase.rpc('push_notfy', { p_title: 'Hello' });`).map((block) => ({
      ...block,
      page: 'docs/d.md',
    })),
    ...planted('js', `supapush.installPush(self, { icn: '/icon.png' });`).map((block) => ({
      ...block,
      page: 'docs/e.md',
    })),
  ];
  const errors = (await checkPages(wrong)).filter((line) => line.startsWith('docs/'));
  expect(errors.map((line) => line.split(': ')[0])).toEqual([
    'docs/b.md:7',
    'docs/c.md:4',
    'docs/d.md:4',
    'docs/e.md:4',
    'docs/guides/planted.md:4',
  ]);
});

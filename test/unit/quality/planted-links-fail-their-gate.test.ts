import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { checkLinks } from '../../../tools/quality/dead-links.ts';
import { withTemporaryFolder } from '../../../tools/quality/temporary-folder.ts';

/** Links of a page at the top of a project, and what is wrong with each. */
const DEAD: [text: string, problem: string][] = [
  ['[gone](docs/gone.md)', 'docs/gone.md: there is no docs/gone.md'],
  ['[up](docs/../../README.md)', 'docs/../../README.md: there is no ../README.md'],
  ['[over a\nline](docs/there.md#nowhere)', 'docs/there.md#nowhere: docs/there.md has no heading #nowhere'],
  ['[here](#nowhere)', '#nowhere: README.md has no heading #nowhere'],
  ['[a third](docs/there.md#twice-2)', 'docs/there.md#twice-2: docs/there.md has no heading #twice-2'],
  ['![gone](docs/gone.png)', 'docs/gone.png: there is no docs/gone.png'],
  ['| a |\n|---|\n| [in a table](gone-1.md) |', 'gone-1.md: there is no gone-1.md'],
  ['[by reference][1]\n\n[1]: gone-2.md', 'gone-2.md: there is no gone-2.md'],
  ['<img src="gone-3.png" />', 'gone-3.png: there is no gone-3.png'],
  [
    '<picture><source srcset="docs/there.md, gone-4.png 2x" /></picture>',
    'gone-4.png: there is no gone-4.png',
  ],
];

test('links to files and headings that are not there are found, and no others', async () => {
  await withTemporaryFolder(async (folder) => {
    const write = async (file: string, text: string) => {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), text);
    };
    await write(
      'docs/there.md',
      '# The `push.cancel()` & <b>more</b>\n\n## Twice\n\n## Twice\n[up](../README.md)\n',
    );
    await write(
      'README.md',
      '# Title\n\n[a](docs/there.md#twice-1) [b](#title) [c](docs) [d](docs/there.md#the-pushcancel--more)\n' +
        '[e](https://example.com/gone) [f](mailto:a@example.com) `[g](gone.md)`\n\n```md\n[h](gone.md)\n```\n',
    );
    expect(await checkLinks(folder)).toEqual([]);
    await write('README.md', `# Title\n\n${DEAD.map(([text]) => text).join('\n\n')}\n`);
    const problems = DEAD.map(([, problem]) => `README.md links to ${problem}`);
    expect((await checkLinks(folder)).sort()).toEqual(problems.sort());
  });
});

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkPacked } from '../../../tools/build/check-package.ts';
import { withTemporaryFolder } from '../../../tools/quality/temporary-folder.ts';

const SOUND = {
  name: 'planted',
  version: '1.0.0',
  type: 'module',
  license: 'MIT',
  files: ['*.js', '*.d.ts'],
  exports: { './one': { types: './one.d.ts', default: './one.js' } },
  typesVersions: { '*': { one: ['./one.d.ts'] } },
};

/** What the gate says of a package of one module with this manifest. */
function problemsOf(manifest: object): Promise<string> {
  return withTemporaryFolder(async (folder) => {
    const project = join(folder, 'project');
    await mkdir(project);
    await writeFile(join(project, 'package.json'), JSON.stringify(manifest));
    await writeFile(join(project, 'one.js'), 'export const one = 1;\n');
    await writeFile(join(project, 'one.d.ts'), 'export declare const one: number;\n');
    return (await checkPacked(project, folder)).join('\n');
  });
}

test('a package whose exports are not there, have no types, or whose manifest npm corrects is found', async () => {
  expect(await problemsOf(SOUND)).toBe('');
  const faults = await problemsOf({
    ...SOUND,
    bin: { planted: './nowhere.js' },
    exports: { './one': './one.js', './two': './two.js' },
    typesVersions: {},
    repository: 'https://example.com/planted',
  });
  expect(faults).toMatch(/publint: .*two\.js/);
  expect(faults).toMatch(/arethetypeswrong: NoResolution \.\/two/);
  expect(faults).toMatch(/npm publish: npm warn publish .*bin\[planted\]/);
});

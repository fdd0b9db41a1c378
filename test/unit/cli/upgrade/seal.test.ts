import { expect, test } from 'vitest';
import { releaseOf, sealed, withoutSeal } from '../../../../src/cli/init/seal.ts';

const TEXT = '// first\nexport const one = 1;\n';

test('a file tells its release until it is changed, whatever its line ends are', () => {
  const file = sealed(TEXT, '0.1.0');
  expect(file).toMatch(/^\/\/ first\nexport const one = 1;\n\/\/ supapush 0\.1\.0 [\w-]{8}\n$/);
  expect(releaseOf(file)).toBe('0.1.0');
  expect(releaseOf(file.replaceAll('\n', '\r\n'))).toBe('0.1.0');
  expect(releaseOf(file.trimEnd())).toBe('0.1.0');
  for (const changed of [
    file.replace('one = 1', 'one = 2'),
    `// mine\n${file}`,
    `${file}mine();\n`,
    file.replace('\n', '\n\n'),
    file.replace(/\n\/\/ supapush.*\n$/, '\n'),
    TEXT,
    '',
  ])
    expect(releaseOf(changed), changed).toBeNull();
});

test('without its seal a file says the same in every release', () => {
  expect(withoutSeal(sealed(TEXT, '0.1.0'))).toBe(TEXT);
  expect(withoutSeal(sealed(TEXT, '0.1.0'))).toBe(withoutSeal(sealed(TEXT, '0.2.0')));
  expect(withoutSeal(TEXT)).toBe(TEXT);
});

import { describe, expect, test } from 'vitest';
import { parseEnvironmentFile, setEntries } from '../../../src/cli/environment-file.ts';

describe('entries of a .env file are set', () => {
  test.each([
    ['in an empty file', '', 'A=1\n'],
    ['in the place of an empty line', '# a\nA=\nB=2\n', '# a\nA=1\nB=2\n'],
    ['in the place of an old one', 'A=0\nB=2\n', 'A=1\nB=2\n'],
    ['in the place of a quoted one', 'A="0"\n', 'A=1\n'],
    ['at the end of a file without a last line break', 'B=2', 'B=2\nA=1\n'],
    ['and keep Windows’ line breaks', 'A=0\r\nB=2\r\n', 'A=1\r\nB=2\r\n'],
    ['and leave names that only begin or end alike', 'AA=0\nA_B=0\nXA=0\n', 'AA=0\nA_B=0\nXA=0\nA=1\n'],
    ['and leave comments', '# A=0\n', '# A=0\nA=1\n'],
  ])('%s', (_, before, after) => {
    expect(setEntries(before, { A: '1' })).toBe(after);
  });

  test.each([
    ['twice', 'A=0\nB=2\nA=00\n'],
    ['with export', 'export A=0\n'],
    ['with spaces', ' A = 0\n'],
    ['in single quotes', "A='0'\n"],
  ])('and are what is read back, where the old one stands there %s', (_, before) => {
    const after = setEntries(before, { A: '1' });
    expect(parseEnvironmentFile(after).A).toBe('1');
  });

  test.each(['$&', '$1', '\'[{"a":"b"}]\'', 'a=b'])('as they are: %s', (value) => {
    expect(setEntries('A=\n', { A: value })).toBe(`A=${value}\n`);
    expect(setEntries('', { A: value })).toBe(`A=${value}\n`);
  });
});

test('entries without a value are none', () => {
  expect(parseEnvironmentFile('A=\nB=""\nC= \nD=1\n# E=2\n')).toEqual({ D: '1' });
});

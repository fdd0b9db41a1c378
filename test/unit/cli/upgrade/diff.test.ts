import { expect, test } from 'vitest';
import { diffOf } from '../../../../src/cli/upgrade/diff.ts';

const lines = (...texts: (string | number)[]) => `${texts.join('\n')}\n`;

test('only what differs is shown, with three lines around it', () => {
  expect(diffOf(lines(1, 2, 3, 4, 5, 6, 7, 8, 9), lines(1, 2, 3, 4, 'five', 6, 7, 8, 9))).toBe(
    ['…', '  2', '  3', '  4', '- 5', '+ five', '  6', '  7', '  8'].join('\n'),
  );
  expect(diffOf(lines('a', 'b', 'c'), lines('a', 'x', 'b', 'c', 'd'))).toBe(
    ['  a', '+ x', '  b', '  c', '+ d'].join('\n'),
  );
  expect(diffOf(lines('a', 'b', 'c', 'd'), lines('b', 'd'))).toBe(['- a', '  b', '- c', '  d'].join('\n'));
});

test('equal texts, also with other line ends, have no difference', () => {
  expect(diffOf(lines('a', 'b'), 'a\r\nb')).toBe('');
  expect(diffOf('', '')).toBe('');
});

test('a file of one endless line is cut, and one of endlessly many is shown as a whole', () => {
  expect(diffOf('x'.repeat(1000), 'y').split('\n')).toEqual([`- ${'x'.repeat(160)} …`, '+ y']);
  const many = (sign: string) => lines(...Array.from({ length: 3000 }, (_, index) => `${sign}${index}`));
  expect(diffOf(many('a'), many('b')).split('\n')).toHaveLength(6000);
});

test('what is taken away and added makes the one text of the other', () => {
  // Texts of few different lines have many ways to be compared.
  let state = 7;
  const next = (below: number) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  for (let run = 0; run < 200; run += 1) {
    const text = () => Array.from({ length: 1 + next(7) }, () => 'abc'[next(3)]).join('\n');
    const [before, after] = [text(), text()];
    if (before === after) continue;
    const shown = diffOf(before, after)
      .split('\n')
      .filter((line) => line !== '…');
    const side = (other: string) =>
      shown
        .filter((line) => !line.startsWith(other))
        .map((line) => line.slice(2))
        .join('\n');
    // All is within three lines of a change here, or left out on both sides.
    expect(before.includes(side('+')), `${before} → ${after}`).toBe(true);
    expect(after.includes(side('-')), `${before} → ${after}`).toBe(true);
  }
});

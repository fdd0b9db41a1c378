import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createNarrator, type Narrator } from '../../../tools/demo/narrator.ts';

let written = '';
const { isTTY } = process.stdout;
beforeEach(() => {
  written = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.stdout.isTTY = isTTY;
});

function tell({ tty, noColor }: { tty: boolean; noColor?: string }): string {
  process.stdout.isTTY = tty;
  vi.stubEnv('NO_COLOR', noColor);
  vi.stubEnv('FORCE_COLOR', undefined);
  const narrator: Narrator = createNarrator();
  narrator.chapter('A chapter');
  narrator.say('something');
  narrator.check(true, 'it holds');
  return written;
}

describe('a narrator', () => {
  test.each([
    ['that is no terminal', { tty: false }],
    ['that wants no colour', { tty: true, noColor: '1' }],
  ])('writes plain text to an output %s', (_, to) => {
    const text = tell(to);
    expect(text).toBe(stripVTControlCharacters(text));
    expect(text).toMatch(/^\nA chapter\n +\d+\.\d\d s {4}something\n +\d+\.\d\d s {2}✓ it holds\n$/);
  });

  test('writes in colour to a terminal, and the same words', () => {
    const text = tell({ tty: true });
    expect(text).not.toBe(stripVTControlCharacters(text));
    expect(stripVTControlCharacters(text)).toContain('✓ it holds');
  });

  test('marks what does not hold, and stops there', () => {
    process.stdout.isTTY = false;
    expect(() => createNarrator().check(false, 'it holds')).toThrow('The demo expected: it holds');
    expect(written).toContain('✗ it holds');
  });
});

import { expect, test } from 'vitest';
import { jsonBytes, shortenText } from '../../../src/server/notification/shorten-text.ts';
import { createRandom, randomText } from '../../support/random-content.ts';

test.each([
  ['ends at the last byte that is possible', 'abcdefgh', 7, 'abcd…'],
  ['fits', 'abcdefg', 7, 'abcdefg'],
  ['has nothing but room for the ellipsis', 'abcd', 3, '…'],
  ['is cut behind a blank', 'to be or not to be', 12, 'to be or…'],
  ['has letters of two bytes', 'äöüäöü', 8, 'äö…'],
  ['has surrogate pairs', '😀😀😀', 10, '😀…'],
  ['has letters with accents of their own', 'a\u0301a\u0301a\u0301', 8, 'a\u0301…'],
  ['has a family', 'a👩‍👩‍👧‍👦b', 20, 'a…'],
  ['has a skin tone', 'a👍🏽👍🏽', 13, 'a👍🏽…'],
  ['has flags', '🇩🇪🇫🇷', 14, '🇩🇪…'],
  ['has a character that alone is too long', `z${'\u0301'.repeat(50)}`, 10, 'z\u0301\u0301\u0301…'],
  ['is escaped', '""""""', 8, '""…'],
  ['has control characters', '\u0001\u0001\u0001', 15, '\u0001\u0001…'],
  ['is empty', '', 3, ''],
])('a text that %s', (_what, text, maxBytes, expected) => {
  expect(shortenText(text, maxBytes)).toBe(expected);
});

test('bytes are counted as JSON has them, for every piece and for halves of surrogate pairs', () => {
  const random = createRandom(1);
  const texts = Array.from({ length: 2000 }, () => randomText(random, 200));
  for (const text of [...texts, '\ud83d', '\ude00a', '\ud83d\ud83d\ude00'])
    expect(jsonBytes(text)).toBe(Buffer.byteLength(JSON.stringify(text)) - 2);
});

test('of 2,000 random texts none is longer than it may be', () => {
  const random = createRandom(2);
  for (let run = 0; run < 2000; run += 1) {
    const maxBytes = 3 + random(200);
    expect(jsonBytes(shortenText(randomText(random, 400), maxBytes))).toBeLessThanOrEqual(maxBytes);
  }
});

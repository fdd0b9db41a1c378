import { describe, expect, test } from 'vitest';
import { storableText } from '../../../src/server/channels/storable-text.ts';

const TOKEN = 'dQw4w9WgXcQ0123456789';
const SECOND = 'APA91bHun4MxP5egoKMwt2KZFBaFUH';
const PATH = `/fcm/send/${TOKEN}:${SECOND}`;

describe('a secret is taken out of a text', () => {
  test.each([
    ['as it is', `no ${PATH} here`],
    ['within its URL', `error for url (https://fcm.googleapis.com${PATH})`],
    ['percent-encoded', encodeURIComponent(PATH)],
    ['escaped for JSON', JSON.stringify(PATH).replaceAll('/', '\\/')],
    ['escaped for HTML', PATH.replaceAll('/', '&#x2F;').replaceAll(':', '&#58;')],
    ['in part', `unknown token ${SECOND}`],
    ['twice', `${PATH} ${PATH}`],
    ['at the very end', `x${TOKEN}`],
  ])('%s', (_, text) => {
    const stored = storableText(text, [PATH]);
    expect(stored).not.toContain(TOKEN);
    expect(stored).not.toContain(SECOND);
    expect(stored).toContain('…');
  });

  test('when it is the decoded form that is quoted', () => {
    const stored = storableText('token BQYAAAB/xxxxxxxxxxxxxxxx', ['/w/?token=BQYAAAB%2fxxxxxxxxxxxxxxxx']);
    expect(stored).toBe('token BQYAAAB/…');
  });

  test('when its percent signs mean nothing', () => {
    expect(storableText(`100% ${TOKEN}`, [`/%zz/${TOKEN}`])).toBe('100% …');
  });

  test('when one secret begins like another', () => {
    expect(storableText(`${TOKEN}${SECOND}`, [TOKEN, `${TOKEN}${SECOND}`])).toBe('…');
  });
});

test('words stay, those of the endpoint as well', () => {
  expect(storableText('push token refused', ['/push/send/token'])).toBe('push token refused');
});

test.each([
  ['NUL', 'a\0b', 'a b'],
  ['line breaks', 'a\r\nb\u2028c', 'a b\u2028c'],
  ['escape sequences of a terminal', '\u001b[31mred', ' [31mred'],
  ['a lone high surrogate', 'a\ud83d', 'a\ufffd'],
  ['a lone low surrogate', '\ude00b', '\ufffdb'],
  ['what is fine', 'größer 😀', 'größer 😀'],
])('%s can be stored', (_, text, expected) => {
  expect(storableText(text)).toBe(expected);
});

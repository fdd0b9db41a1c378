import { expect, test } from 'vitest';
import {
  encodePayload,
  MAX_PAYLOAD_BYTES,
  MIN_BODY_BYTES,
  MIN_TITLE_BYTES,
  type NotificationContent,
  SAFE_PAYLOAD_BYTES,
} from '../../../src/server/notification/payload.ts';
import { createRandom, randomContent } from '../../support/random-content.ts';
import { LONGEST_RECEIPT } from '../../support/receipts.ts';

const CONTENT: NotificationContent = {
  notificationId: '01234567-89ab-cdef-0123-456789abcdef',
  title: 'Title',
  body: 'Body',
  url: '/deals/7',
  params: { deal: 7 },
  category: null,
  collapseKey: null,
  tag: null,
  presentation: null,
  position: null,
  appUrl: null,
};

function decode(payload: Uint8Array): { title: string; body?: string; tag?: string; data: object } {
  // Fatal: half a character would be an error here.
  return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload)).notification;
}

const jsonBytes = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2;
const dataOf = (length: number) => ({ params: { text: 'x'.repeat(length) } });

test('what fits is sent as it is', () => {
  const payload = encodePayload({ ...CONTENT, body: 'x'.repeat(2750) }, LONGEST_RECEIPT);
  expect(payload.length).toBeLessThanOrEqual(SAFE_PAYLOAD_BYTES);
  expect(decode(payload)).toMatchObject({ title: 'Title', body: 'x'.repeat(2750) });
});

test('the body is shortened before the title, and only as far as it must be', () => {
  const title = 'T'.repeat(1000);
  const { title: kept, body } = decode(
    encodePayload({ ...CONTENT, title, body: 'x'.repeat(8000) }, LONGEST_RECEIPT),
  );
  expect(kept).toBe(title);
  expect(body).toMatch(/^x+…$/);
  const payload = encodePayload({ ...CONTENT, title, body: 'x'.repeat(8000) }, LONGEST_RECEIPT);
  expect(payload.length).toBe(SAFE_PAYLOAD_BYTES);
});

test('when the body has nothing more to give, the title is shortened', () => {
  const content = { ...CONTENT, ...dataOf(2400), title: 'T'.repeat(1000), body: 'x'.repeat(8000) };
  const payload = encodePayload(content, LONGEST_RECEIPT);
  expect(payload.length).toBe(SAFE_PAYLOAD_BYTES);
  const { title, body } = decode(payload);
  expect(jsonBytes(body ?? '')).toBe(MIN_BODY_BYTES);
  expect(title).toMatch(/^T+…$/);
  expect(jsonBytes(title)).toBeGreaterThan(MIN_TITLE_BYTES);
});

test('data that leaves no room for text within the safe size gets the room up to the limit', () => {
  const payload = encodePayload({ ...CONTENT, ...dataOf(3000), body: 'x'.repeat(8000) }, LONGEST_RECEIPT);
  expect(payload.length).toBe(MAX_PAYLOAD_BYTES);
  expect(jsonBytes(decode(payload).body ?? '')).toBeGreaterThan(500);
});

test('a text that is short is never cut, however little that would help', () => {
  const payload = encodePayload({ ...CONTENT, ...dataOf(3700) }, LONGEST_RECEIPT);
  expect(payload.length).toBeGreaterThan(SAFE_PAYLOAD_BYTES);
  expect(decode(payload)).toMatchObject({ title: 'Title', body: 'Body' });
});

test('a message without a body gets none', () => {
  expect(
    decode(encodePayload({ ...CONTENT, body: null, title: 'T'.repeat(5000) }, LONGEST_RECEIPT)),
  ).not.toHaveProperty('body');
});

test.each([
  [null, null, CONTENT.notificationId],
  ['topic', null, 'topic'],
  ['topic', 'deal:7', 'deal:7'],
  [null, 'deal:7', 'deal:7'],
])('collapse key %s and tag %s make the tag %s', (collapseKey, tag, expected) => {
  expect(decode(encodePayload({ ...CONTENT, collapseKey, tag }, LONGEST_RECEIPT)).tag).toBe(expected);
});

test('of 2,500 random messages each that can fits, keeps its data, and is cut between characters', () => {
  const random = createRandom(8030);
  const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  let cut = 0;
  for (let run = 0; run < 2500; run += 1) {
    const content = randomContent(random);
    const whole = encodePayload({ ...content, title: '', body: null }, LONGEST_RECEIPT).length;
    const payload = encodePayload(content, LONGEST_RECEIPT);
    const message = decode(payload);

    const titleMinimum = Math.min(jsonBytes(content.title), MIN_TITLE_BYTES);
    const bodyMinimum =
      content.body === null ? 0 : Math.min(jsonBytes(content.body), MIN_BODY_BYTES) + ',"body":""'.length;
    const least = whole + titleMinimum + bodyMinimum;
    if (least <= SAFE_PAYLOAD_BYTES) expect(payload.length).toBeLessThanOrEqual(SAFE_PAYLOAD_BYTES);
    else if (least <= MAX_PAYLOAD_BYTES) expect(payload.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
    else expect(payload.length).toBeLessThanOrEqual(least);

    const { supapush: _ours, ...params } = message.data as Record<string, unknown>;
    expect(params).toEqual(JSON.parse(JSON.stringify(content.params)));
    for (const [sent, given] of [
      [message.title, content.title],
      [message.body ?? null, content.body],
    ] as const) {
      if (sent === given || sent === null || given === null) continue;
      cut += 1;
      expect(sent.endsWith('…')).toBe(true);
      const start = sent.slice(0, -1);
      expect(given.startsWith(start)).toBe(true);
      // What was cut off starts with a whole character, not counting the blanks that were taken away before it.
      const boundaries = new Set(Array.from(segmenter.segment(given), ({ index }) => index));
      const firstCharacter = [...boundaries][1] ?? given.length;
      const blanks = given.slice(start.length).length - given.slice(start.length).trimStart().length;
      const places = Array.from({ length: blanks + 1 }, (_, index) => start.length + index);
      // One that alone is too long is all that may be cut inside.
      if (start.length > firstCharacter) expect(places.some((place) => boundaries.has(place))).toBe(true);
      else expect(start !== '' || given !== given.trimStart()).toBe(true);
      expect(sent.isWellFormed()).toBe(true);
    }
  }
  expect(cut).toBeGreaterThan(1000);
});

import type { NotificationContent, Presentation } from '../../src/server/notification/payload.ts';

/** Numbers that are the same in every run: below `limit`, from 0. */
export function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * limit);
  };
}

/** Everything that is more than one byte, one code unit or one code point, or is escaped in JSON. */
const PIECES = [
  'a',
  ' ',
  'word ',
  '"',
  '\\',
  '\n',
  '\t',
  '\u0001',
  '\u001f',
  '\u007f',
  '\u2028',
  'ü',
  'u\u0308',
  '漢字',
  '😀',
  '👩‍👩‍👧‍👦',
  '👍🏽',
  '🇩🇪',
  'क्षि',
  'z\u0301\u0302\u0303\u0304',
  '\u200d',
  '\ufeff',
  '\uffff',
];

type Random = (limit: number) => number;

/** A text of at most `maxBytes` in UTF-8: of one kind of piece, or of all. */
export function randomText(random: Random, maxBytes: number): string {
  const pool = random(2) === 0 ? [PIECES[random(PIECES.length)] as string] : PIECES;
  let text = '';
  let bytes = 0;
  for (;;) {
    const piece = pool[random(pool.length)] as string;
    bytes += Buffer.byteLength(piece);
    if (bytes > maxBytes) return text;
    text += piece;
  }
}

function randomValue(random: Random, bytes: number): unknown {
  const kind = random(5);
  if (kind === 0) return randomText(random, bytes);
  if (kind === 1) return Array.from({ length: random(1 + bytes / 4) }, (_, index) => index - 3);
  if (kind === 2) return Object.fromEntries(randomEntries(random, bytes));
  if (kind === 3) return [null, true, -0, 0.1 + 0.2, 1e-9, 1.5e300, 2 ** 53, -1e21][random(8)];
  return randomText(random, bytes / 4);
}

function randomEntries(random: Random, bytes: number): [string, unknown][] {
  return Array.from({ length: 1 + random(3) }, () => [
    randomText(random, 12),
    randomValue(random, bytes / 3),
  ]);
}

function randomPresentation(random: Random): Presentation {
  const link = () => `/${'ü%/x'.repeat(random(20))}`;
  return {
    ...(random(2) === 0 ? {} : { icon: link() }),
    ...(random(2) === 0 ? {} : { badge: link(), renotify: true }),
    ...(random(2) === 0 ? {} : { image: `https://example.com${link()}`, silent: true }),
    ...(random(2) === 0
      ? {}
      : {
          actions: Array.from({ length: random(5) }, (_, index) => ({
            action: `action-${index}`,
            title: `T${randomText(random, random(100))}`,
            ...(random(2) === 0 ? {} : { url: link() }),
          })),
        }),
  };
}

/** A message as the database takes it, with about as much data and text as can be, or more. */
export function randomContent(random: Random): NotificationContent {
  const url = `/${'ü%/x'.repeat(random(2) * random(400))}`;
  return {
    notificationId: '01234567-89ab-cdef-0123-456789abcdef',
    title: `T${randomText(random, random(999))}`,
    body: random(5) === 0 ? null : randomText(random, random(2) === 0 ? 8000 : random(4000)),
    url: random(3) === 0 ? null : url,
    params: random(4) === 0 ? {} : Object.fromEntries(randomEntries(random, random(8000))),
    // Without control characters, among which libc counts U+2028.
    category: random(3) === 0 ? null : randomText(random, 100).replace(/[\p{Cc}\u2028]/gu, '') || null,
    collapseKey: random(3) === 0 ? 'topic-of-RFC_8030' : null,
    tag: random(3) === 0 ? `t${randomText(random, random(99))}` : null,
    presentation: random(3) === 0 ? randomPresentation(random) : null,
    position: null,
    appUrl: null,
  };
}

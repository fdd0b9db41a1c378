const ELLIPSIS = '…';
const ELLIPSIS_BYTES = 3;

let segmenter: Intl.Segmenter | undefined;

/** Bytes of a text inside of a JSON string in UTF-8, without its quotes: `"` has two, U+0001 six, 😀 four. */
export function jsonBytes(text: string): number {
  return measure(text, Number.POSITIVE_INFINITY).bytes;
}

/**
 * A text that has at most `maxBytes` as JSON in UTF-8: itself, or its beginning with an ellipsis.
 *
 * Cuts between what readers take for characters (grapheme clusters: a family of emoji, a letter with its accents), and
 * inside of one, between code points, only when that one alone is too long.
 *
 * @param maxBytes at least 3, the ellipsis
 */
export function shortenText(text: string, maxBytes: number): string {
  // A UTF-16 unit becomes six bytes at most, and most texts are short.
  if (text.length * 6 <= maxBytes || jsonBytes(text) <= maxBytes) return text;
  const { end } = measure(text, maxBytes - ELLIPSIS_BYTES);
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  // Looks around `end` alone, so that a long text costs no more than a short one.
  const cut = segmenter.segment(text).containing(end)?.index ?? end;
  return text.slice(0, cut > 0 ? cut : end).trimEnd() + ELLIPSIS;
}

/** How far a text goes within that many bytes, by whole code points: the index behind the last one, and the bytes. */
function measure(text: string, maxBytes: number): { end: number; bytes: number } {
  let bytes = 0;
  let end = 0;
  while (end < text.length) {
    const codePoint = text.codePointAt(end) as number;
    const more = bytesOf(codePoint);
    if (bytes + more > maxBytes) break;
    bytes += more;
    end += codePoint > 0xffff ? 2 : 1;
  }
  return { end, bytes };
}

/** As `JSON.stringify` and UTF-8 write it; Postgres writes the same. */
function bytesOf(codePoint: number): number {
  if (codePoint < 0x20) return '\b\t\n\f\r'.includes(String.fromCharCode(codePoint)) ? 2 : 6;
  if (codePoint === 0x22 || codePoint === 0x5c) return 2;
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  // A surrogate without its other half becomes an escape.
  if (codePoint >= 0xd800 && codePoint <= 0xdfff) return 6;
  return codePoint > 0xffff ? 4 : 3;
}

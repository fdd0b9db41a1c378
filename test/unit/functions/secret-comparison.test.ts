import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { isSameSecret } from '../../../src/server/functions/secret-comparison.ts';

const SECRET = 'a-bell-secret-of-more-than-32-characters';

describe('two secrets', () => {
  test.each([
    ['the same', SECRET, SECRET],
    ['empty', '', ''],
    ['of other scripts', 'größer-日本語-😀', 'größer-日本語-😀'],
    ['very long', 'x'.repeat(100_000), 'x'.repeat(100_000)],
  ])('that are %s are the same', async (_, given, expected) => {
    expect(await isSameSecret(given, expected)).toBe(true);
  });

  test.each([
    ['in the first character', `b${SECRET.slice(1)}`],
    ['in the last character', `${SECRET.slice(0, -1)}S`],
    ['by one character more', `${SECRET}s`],
    ['by one character less', SECRET.slice(0, -1)],
    ['by a space', `${SECRET} `],
    ['in case', SECRET.toUpperCase()],
    ['by being empty', ''],
    ['by a NUL', `${SECRET}\0`],
  ])('that differ %s are not the same, whichever is given', async (_, other) => {
    expect(await isSameSecret(other, SECRET)).toBe(false);
    expect(await isSameSecret(SECRET, other)).toBe(false);
  });

  test('that only look alike are not the same', async () => {
    expect(await isSameSecret('e\u0301', '\u00e9')).toBe(false);
  });
});

test('every byte of both digests is looked at, wherever the first difference is', async () => {
  const looks: number[] = [];
  const digest = crypto.subtle.digest.bind(crypto.subtle);
  vi.spyOn(crypto.subtle, 'digest').mockImplementation(async (algorithm, data) => {
    expect(algorithm).toBe('SHA-256');
    const bytes = await digest(algorithm, data);
    expect(bytes.byteLength).toBe(32);
    return bytes;
  });
  const OriginalArray = Uint8Array;
  // Counts reads by index and by iteration, of arrays made over a digest alone.
  vi.stubGlobal(
    'Uint8Array',
    new Proxy(OriginalArray, {
      construct(target, parameters) {
        const array = Reflect.construct(target, parameters) as Uint8Array;
        if (!(parameters[0] instanceof ArrayBuffer) || array.length !== 32) return array;
        const index = looks.push(0) - 1;
        return new Proxy(array, {
          get(over, property) {
            if (typeof property === 'string' && /^\d+$/.test(property))
              looks[index] = (looks[index] ?? 0) + 1;
            if (property === 'entries') {
              return function* () {
                for (let at = 0; at < over.length; at++) {
                  looks[index] = (looks[index] ?? 0) + 1;
                  yield [at, over[at]];
                }
              };
            }
            const value = Reflect.get(over, property, over);
            return typeof value === 'function' ? value.bind(over) : value;
          },
        });
      },
    }),
  );
  onTestFinished(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });
  for (const given of [SECRET, '', `b${SECRET.slice(1)}`, `${SECRET}x`, 'x'.repeat(5000)]) {
    looks.length = 0;
    await isSameSecret(given, SECRET);
    expect(looks).toEqual([32, 32]);
  }
});

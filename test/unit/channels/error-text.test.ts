import { expect, test } from 'vitest';
import { errorText } from '../../../src/server/channels/error-text.ts';

const refused = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' });

test.for([
  ['a message alone', new Error('It failed.'), 'It failed.'],
  [
    'its causes',
    new Error('fetch failed', { cause: new Error('certificate has expired') }),
    'fetch failed: certificate has expired',
  ],
  [
    'a cause that has a code alone',
    new TypeError('fetch failed', { cause: refused }),
    'fetch failed: ECONNREFUSED',
  ],
  ['a cause that says the same', new Error('a: b', { cause: new Error('b') }), 'a: b'],
  ['an error that says nothing', new RangeError(''), 'RangeError'],
  ['what is no error', 'thrown', 'unknown error'],
] as const)('%s', ([, error, text]) => {
  expect(errorText(error)).toBe(text);
});

test('causes in a circle end', () => {
  const error = new Error('one');
  error.cause = new Error('two', { cause: error });
  expect(errorText(error)).toBe('one: two');
});

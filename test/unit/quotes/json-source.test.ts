import { describe, expect, test } from 'vitest';
import { parseJsonPath } from '../../../src/server/quotes/json-path.ts';
import { createJsonSource } from '../../../src/server/quotes/json-source.ts';
import { readQuoteTime } from '../../../src/server/quotes/quote-value.ts';

const list = createJsonSource({
  valueAt: 'data[*].last',
  symbolAt: 'data[*].symbol',
  timeAt: 'data[*].time',
});
const one = createJsonSource({ valueAt: 'quote.price', symbolAt: null, timeAt: null });

const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'read';
};

test('a list gives the symbols that were asked for, and no others', () => {
  const text = JSON.stringify({
    data: [
      { symbol: 'DAX', last: 23500.5, time: 1 },
      { symbol: 'OTHER', last: 1, time: 1 },
      null,
      7,
      { last: 2 },
      { symbol: 'BTC', last: '92000', time: 2 },
    ],
  });
  expect(list.read(text, ['BTC', 'DAX', 'MISSING'])).toEqual([
    { name: 'DAX', value: 23500.5, time: 1 },
    { name: 'BTC', value: '92000', time: 2 },
  ]);
});

test('a symbol may be a number of 64 bits', () => {
  const source = createJsonSource({ valueAt: '[*].p', symbolAt: '[*].id', timeAt: '[*].ns' });
  const text = `[
    { "id": 1161380288898609914, "p": 1, "ns": 1763683200123456789 },
    { "id": 1161380288898609915, "p": 12345678901234567890 }, { "id": 7, "p": 0.30000000000000004 }
  ]`;
  expect(source.read(text, ['1161380288898609914', '1161380288898609915', '7'])).toEqual([
    { name: '1161380288898609914', value: 1, time: '1763683200123456789' },
    { name: '1161380288898609915', value: '12345678901234567890', time: undefined },
    { name: '7', value: 0.30000000000000004, time: undefined },
  ]);
  expect(readQuoteTime('1763683200123456789', 'UTC')).toEqual(new Date('2025-11-21T00:00:00.123Z'));
});

test('a list may be the whole answer, and the time may stand beside it', () => {
  const source = createJsonSource({ valueAt: '[*].p', symbolAt: '[*].s', timeAt: null });
  expect(source.read('[{"s":"A","p":1}]', ['A'])).toEqual([{ name: 'A', value: 1, time: undefined }]);
  const beside = createJsonSource({ valueAt: 'q[*][1]', symbolAt: 'q[*][0]', timeAt: 'at' });
  expect(beside.read('{"at":5,"q":[["A",1]]}', ['A'])).toEqual([{ name: 'A', value: 1, time: 5 }]);
});

test('an object by symbol is read by the symbol as a key', () => {
  const source = createJsonSource({ valueAt: '{symbol}.usd', symbolAt: null, timeAt: '{symbol}.at' });
  expect(source.read('{"bitcoin":{"usd":92000,"at":3}}', ['bitcoin', 'ether'])).toEqual([
    { name: 'bitcoin', value: 92000, time: 3 },
  ]);
  expect(source.read('{"a":1}', ['constructor', '__proto__', 'toString'])).toEqual([]);
});

test('an answer about one symbol is that of the one asked for', () => {
  expect(one.read('{"quote":{"price":"7.5"}}', ['A'])).toEqual([
    { name: 'A', value: '7.5', time: undefined },
  ]);
  const named = createJsonSource({
    valueAt: '["Global Quote"]["05. price"]',
    symbolAt: '["Global Quote"]["01. symbol"]',
    timeAt: null,
  });
  const text = '{"Global Quote":{"01. symbol":"IBM","05. price":"290.1"}}';
  expect(named.read(text, ['IBM'])).toHaveLength(1);
  expect(named.read(text, ['MSFT'])).toEqual([]);
  expect(refusal(() => one.read('{"quote":{"price":1}}', ['A', 'B']))).toBe('answer_malformed');
});

describe('no quotes are read from', () => {
  test.each([
    ['an HTML page', '<!doctype html><p>1</p>'],
    ['no bytes', ''],
    ['half an answer', '{"data":[{"symbol":"DAX","last":1'],
    ['an object where the list should be', '{"data":{"symbol":"DAX","last":1}}'],
    ['another shape', '{"result":[]}'],
    ['a number', '12'],
    ['null', 'null'],
  ])('%s', (_, text) => {
    expect(refusal(() => list.read(text, ['DAX']))).toBe('answer_malformed');
  });

  test('deep nesting', () => {
    expect(refusal(() => list.read('['.repeat(1e6), ['DAX']))).toBe('answer_malformed');
    expect(one.read(`${'['.repeat(5000)}1${']'.repeat(5000)}`, ['DAX'])).toEqual([]);
  });
});

test.each([
  '',
  '.a',
  'a.',
  'a..b',
  'a b',
  'a[',
  'a[x]',
  'a[1]b',
  'a.[0]',
  '["a]',
  'a[-1]',
  '[**]',
  '{symbols}',
])('no path: %s', (path) => {
  expect(() => parseJsonPath(path)).toThrow(RangeError);
});

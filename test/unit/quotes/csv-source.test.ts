import { describe, expect, test } from 'vitest';
import { parseCsv } from '../../../src/server/quotes/csv-rows.ts';
import { createCsvSource } from '../../../src/server/quotes/csv-source.ts';

describe('CSV is read', () => {
  test.each<[string, string, string[][]]>([
    [
      'with LF and CRLF and without a last line break',
      'a,b\r\nc,d\ne,f',
      [
        ['a', 'b'],
        ['c', 'd'],
        ['e', 'f'],
      ],
    ],
    ['with quotes, and what they protect', '"a,1","b ""2""","c\r\nd"\n', [['a,1', 'b "2"', 'c\r\nd']]],
    [
      'with a byte order mark and empty lines',
      '\uFEFFa,b\n\n\nc,d\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'with empty fields',
      ',a,\n"",\n,',
      [
        ['', 'a', ''],
        ['', ''],
        ['', ''],
      ],
    ],
    ['of nothing', '', []],
  ])('%s', (_, text, rows) => {
    expect(parseCsv(text, ',')).toEqual(rows);
  });

  test('whatever was written into it', () => {
    const values = ['', 'a', '"', ',', '\n', 'a"b', '""', '\r\n', ' x ', 'ä,"\n'];
    const rows = values.flatMap((a) => values.map((b) => ['x', a, b]));
    const text = rows
      .map((row) => row.map((field) => `"${field.replaceAll('"', '""')}"`).join(','))
      .join('\r\n');
    expect(parseCsv(text, ',')).toEqual(rows);
  });

  test('a quoted field without an end is an error', () => {
    expect(() => parseCsv('a,"b\nc', ',')).toThrow(RangeError);
  });
});

const named = createCsvSource({ valueAt: 'Close', symbolAt: 'Symbol', timeAt: 'Date+Time' });

test('columns are found by their names, in any order', () => {
  const text =
    'Symbol,Time,Date,Close\n^DAX,17:30:00,2026-11-20,23500.5\n^NDX,22:00:00,2026-11-20,N/D\nX,1,2,3\n';
  expect(named.read(text, ['^NDX', '^DAX'])).toEqual([
    { name: '^DAX', value: '23500.5', time: '2026-11-20 17:30:00' },
    { name: '^NDX', value: 'N/D', time: '2026-11-20 22:00:00' },
  ]);
});

test('columns are found by their numbers, with another delimiter', () => {
  const source = createCsvSource({ valueAt: '3', symbolAt: '1', timeAt: null }, ';');
  expect(source.read('DAX;x;1,5\nBTC;x;2\n', ['BTC'])).toEqual([
    { name: 'BTC', value: '2', time: undefined },
  ]);
});

test('without a column for symbols the last line is that of the one asked for', () => {
  const source = createCsvSource({ valueAt: 'Close', symbolAt: null, timeAt: 'Date' });
  const text = 'Date,Close\n2026-11-19,1\n2026-11-20,2\n';
  expect(source.read(text, ['A'])).toEqual([{ name: 'A', value: '2', time: '2026-11-20' }]);
  expect(source.read(text, ['A', 'B'])).toEqual([]);
  expect(source.read('Date,Close\n', ['A'])).toEqual([]);
});

test.each([
  ['an HTML page', '<!DOCTYPE html>\n<html>'],
  ['other columns', 'Symbol,Last\nDAX,1\n'],
  ['a quote that does not end', 'Symbol,Time,Date,Close\n"DAX'],
  ['nothing', ''],
])('%s is no answer', (_, text) => {
  expect(() => named.read(text, ['DAX'])).toThrow(expect.objectContaining({ code: 'answer_malformed' }));
});

import { beforeEach, describe, expect, test } from 'vitest';
import { clearQuotes, defineSource, type SourceOptions } from '../../support/quotes.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQuotes(db().sql));

const jobs = async () => {
  const rows = await db().sql<{ schedule: string }[]>`
    select schedule from cron.job where jobname = 'supapush-quotes'`;
  return rows.map(({ schedule }) => schedule);
};

describe('a source is refused', () => {
  const one = { value_at: 'last', symbol_at: null, time_at: null };
  test.each<[string, SourceOptions, string]>([
    ['of an unknown kind', { adapter: 'xml' }, 'quote_adapter_unknown'],
    ['over http', { url: 'http://api.example.com/q?s={symbols}' }, 'quote_url_invalid'],
    ['on this machine', { url: 'http://127.0.0.1:4321/q?s={symbols}' }, 'quote_url_invalid'],
    ['at an address', { url: 'https://127.0.0.1/q?s={symbols}' }, 'quote_url_invalid'],
    ['at a public address', { url: 'https://93.184.216.34/q?s={symbols}' }, 'quote_url_invalid'],
    ['at a decimal address', { url: 'https://2130706433/q?s={symbols}' }, 'quote_url_invalid'],
    ['at a hexadecimal address', { url: 'https://0x7f.1/q?s={symbols}' }, 'quote_url_invalid'],
    ['at an octal address', { url: 'https://0177.0.0.1/q?s={symbols}' }, 'quote_url_invalid'],
    ['at an IPv6 address', { url: 'https://[::ffff:127.0.0.1]/q?s={symbols}' }, 'quote_url_invalid'],
    ['at a name without a dot', { url: 'https://localhost/q?s={symbols}' }, 'quote_url_invalid'],
    ['with a user', { url: 'https://a:b@api.example.com/q?s={symbols}' }, 'quote_url_invalid'],
    ['whose host depends on the symbol', { url: 'https://{symbol}.example.com/q' }, 'quote_url_invalid'],
    ['whose port depends on it', { url: 'https://api.example.com:{symbol}/q' }, 'quote_url_invalid'],
    ['at a port past 65535', { url: 'https://api.example.com:99999/q?s={symbols}' }, 'quote_url_invalid'],
    ['at a name with an empty part', { url: 'https://api..com/q?s={symbols}' }, 'quote_url_invalid'],
    ['without a path', { url: 'https://api.example.com?s={symbols}' }, 'quote_url_invalid'],
    [
      'with an unknown placeholder',
      { url: 'https://api.example.com/{key}?s={symbols}' },
      'quote_url_invalid',
    ],
    [
      'with any other secret',
      { url: 'https://api.example.com/?s={symbols}&k={secret:PUSH_BELL_SECRET}' },
      'quote_url_invalid',
    ],
    ['with both placeholders', { url: 'https://api.example.com/{symbol}?s={symbols}' }, 'quote_url_invalid'],
    [
      'with a batch it cannot ask for',
      { ...one, url: 'https://a.example/{symbol}', batch_size: 2 },
      'quote_batch_invalid',
    ],
    [
      'with another secret in a header',
      { headers: { Key: '{secret:SUPABASE_SECRET_KEYS}' } },
      'quote_header_invalid',
    ],
    ['with a header over two lines', { headers: { Key: 'a\nb' } }, 'quote_header_invalid'],
    ['with the header Host', { headers: { Host: 'internal' } }, 'quote_header_invalid'],
    ['with a header that is no text', { headers: { Key: 7 } }, 'quote_header_invalid'],
    ['with a path that is none', { value_at: 'data[*]..last' }, 'quote_path_invalid'],
    ['with two lists in a path', { value_at: 'a[*].b[*]', symbol_at: 'a[*].s' }, 'quote_path_invalid'],
    ['whose symbols stand elsewhere', { symbol_at: 'symbol' }, 'quote_path_invalid'],
    ['whose values are of no symbol', { value_at: 'last', symbol_at: null }, 'quote_symbol_missing'],
    ['without a value', { value_at: null, symbol_at: null }, 'quote_symbol_missing'],
    ['with a mapping to nothing', { symbols: { DAX: '' } }, 'quote_symbols_invalid'],
    ['with a mapping to a directory', { symbols: { DAX: '..' } }, 'quote_symbols_invalid'],
    ['with a broken pattern', { symbol_pattern: '(' }, 'quote_pattern_invalid'],
    ['in no timezone', { timezone: 'Mars/Olympus' }, 'quote_timezone_unknown'],
  ])('%s', async (_, options, code) => {
    const { sqlstate, code: said, hint } = await refusalOf(defineSource(db().sql, 'main', options));
    expect({ sqlstate, said }).toEqual({ sqlstate: 'PT400', said: code });
    expect(hint).toBeTruthy();
    expect(await jobs()).toEqual([]);
  });

  test.each<[string, SourceOptions]>([
    ['with a timeout longer than a run', { timeout: '1 minute' }],
    ['with answers of a gigabyte', { max_bytes: 1_000_000_000 }],
    ['with batches of thousands', { batch_size: 5000 }],
    ['asked all the time', { every: '0 seconds' }],
    ['with a separator that would be another parameter', { separator: '&' }],
  ])('%s', async (_, options) => {
    expect((await refusalOf(defineSource(db().sql, 'main', options))).sqlstate).toBe('23514');
  });
});

test.each<[string, SourceOptions]>([
  [
    'one symbol at a time',
    { url: 'https://api.example.com/v1/{symbol}/last', value_at: 'p', symbol_at: null },
  ],
  ['by symbol', { value_at: '{symbol}.usd', symbol_at: null, time_at: '{symbol}.at' }],
  ['with keys of any kind', { value_at: 'a["b c"][*][0]', symbol_at: 'a["b c"][*][1]' }],
  [
    'in CSV',
    { adapter: 'csv', value_at: 'Close', symbol_at: 'Symbol', time_at: 'Date+Time', delimiter: ';' },
  ],
  [
    'with secrets',
    {
      url: 'https://api.example.com:8443/q?s={symbols}&k={secret:PUSH_QUOTES_KEY}',
      headers: { Authorization: 'Bearer {secret:PUSH_QUOTES_TOKEN}' },
    },
  ],
])('a source is declared: %s', async (_, options) => {
  await defineSource(db().sql, 'main', options);
  const rows = await db().sql`select name from push.quote_sources`;
  expect([...rows]).toEqual([{ name: 'main' }]);
});

test('the quote server of a local stack may be asked where the database names it', async () => {
  const { sql } = db();
  const url = 'http://127.0.0.1:4321/json?symbols={symbols}';
  await sql`update push.settings set local_quote_server = 'http://127.0.0.1:4321'`;
  await defineSource(sql, 'main', { url });
  for (const other of [
    url.replace('4321', '4322'),
    url.replace('4321', '43210'),
    url.replace('127.0.0.1', 'localhost'),
  ]) {
    expect((await refusalOf(defineSource(sql, 'other', { url: other }))).code).toBe('quote_url_invalid');
  }
  await sql`update push.settings set local_quote_server = null`;
  const elsewhere = sql`update push.settings set local_quote_server = 'http://10.0.0.1:80'`;
  expect((await refusalOf(elsewhere)).sqlstate).toBe('23514');
});

test('the job runs while there is a source, as often as it was told to', async () => {
  const { sql } = db();
  await defineSource(sql, 'one');
  await defineSource(sql, 'two');
  expect(await jobs()).toEqual(['* * * * *']);
  await sql`select push.schedule_quotes('30 seconds')`;
  await defineSource(sql, 'one', { precedence: 5 });
  expect(await jobs()).toEqual(['30 seconds']);
  await sql`select push.drop_quote_source('one')`;
  expect(await jobs()).toHaveLength(1);
  await sql`select push.drop_quote_source('two')`;
  expect(await jobs()).toEqual([]);
  const [again] = await sql`select push.drop_quote_source('two') as dropped`;
  expect(again?.dropped).toBe(false);
});

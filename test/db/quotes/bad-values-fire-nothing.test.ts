import { beforeEach, describe, expect, test } from 'vitest';
import { clearAlerts, MORNING, makeAlert, readAlert, recordQuotes } from '../../support/alerts.ts';
import { plus } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearAlerts(db().sql));
const later = plus(MORNING, 60);

// As text, since JavaScript cannot say all of it.
const BAD_QUOTES: Record<string, string> = {
  'a null': '{"symbol": "DAX", "value": null}',
  'no value': '{"symbol": "DAX"}',
  'NaN as a text': '{"symbol": "DAX", "value": "NaN"}',
  'infinity as a text': '{"symbol": "DAX", "value": "Infinity"}',
  'less than everything': '{"symbol": "DAX", "value": "-Infinity"}',
  'a number as a text': '{"symbol": "DAX", "value": "101"}',
  true: '{"symbol": "DAX", "value": true}',
  'an array': '{"symbol": "DAX", "value": [101]}',
  'more than a double holds': '{"symbol": "DAX", "value": 1e400}',
  'less than a double holds': '{"symbol": "DAX", "value": -1e400}',
  'more than a quote holds': '{"symbol": "DAX", "value": 1.1e100}',
  'nearer to zero than a quote holds': '{"symbol": "DAX", "value": 1e-101}',
  'no symbol': '{"value": 101}',
  'an empty symbol': '{"symbol": "", "value": 101}',
  'a symbol with a space': '{"symbol": "DA X", "value": 101}',
  'a symbol with a line break': '{"symbol": "DAX\\n", "value": 101}',
  'a symbol with braces': '{"symbol": "{{DAX}}", "value": 101}',
  'a symbol that ends with a colon': '{"symbol": "DAX:", "value": 101}',
  'a symbol of 65 bytes': `{"symbol": "${'x'.repeat(65)}", "value": 101}`,
  'a moment without a zone': '{"symbol": "DAX", "value": 101, "quoted_at": "2040-06-04T08:00:30"}',
  'a moment that is no day': '{"symbol": "DAX", "value": 101, "quoted_at": "2040-02-30T08:00:30Z"}',
  'a zone that does not exist': '{"symbol": "DAX", "value": 101, "quoted_at": "2040-06-04T08:00:30+99:00"}',
  'infinity as a moment': '{"symbol": "DAX", "value": 101, "quoted_at": "infinity"}',
  'a number as a moment': '{"symbol": "DAX", "value": 101, "quoted_at": 2222222222}',
  'a moment in words': '{"symbol": "DAX", "value": 101, "quoted_at": "now"}',
  'a number': '101',
  'a list': '["DAX", 101]',
  'nothing at all': 'null',
};

describe.each(Object.entries(BAD_QUOTES))('%s', (_, quote) => {
  test('is ignored, and spoils no other of its batch', async () => {
    const { sql } = db();
    const [above, below] = [
      await makeAlert(sql),
      await makeAlert(sql, { condition: 'crosses_below', threshold: 50 }),
    ];
    const other = await makeAlert(sql, { symbol: 'BTC' });
    await recordQuotes(
      sql,
      [
        { symbol: 'DAX', value: 99 },
        { symbol: 'BTC', value: 99 },
      ],
      MORNING,
    );

    const [row] = await sql`
      select public.push_record_quotes(${`[${quote}, {"symbol": "BTC", "value": 101}]`}::text::jsonb, ${later}) as result`;
    expect(row?.result).toEqual({
      recorded: 1,
      ignored: { duplicate: 0, out_of_order: 0, stale: 0, invalid: 1 },
      fired: 1,
    });
    expect(await readAlert(sql, other)).toMatchObject({ times_fired: 1 });
    for (const id of [above, below])
      expect(await readAlert(sql, id)).toMatchObject({ times_fired: 0, armed: true });
    expect([...(await sql`select value from push.quote_history where symbol <> 'BTC'`)]).toEqual([
      { value: 99 },
    ]);
  });
});

test.each([
  ['zero', 0],
  ['less than zero', -3.5],
  ['as much as a quote holds', 1e100],
  ['as little', 1e-100],
])('%s is a value like others', async (_, value) => {
  const { sql } = db();
  const alert = await makeAlert(sql, { symbol: 'temp', condition: 'crosses', threshold: value });
  for (const [index, at] of [value === 0 ? -1 : value / 2, value === 0 ? 1 : value].entries()) {
    const now = plus(MORNING, index * 60);
    // Half of the least is less than a quote holds.
    if (Math.abs(at) >= 1e-100) await recordQuotes(sql, [{ symbol: 'temp', value: at }], now);
    else await recordQuotes(sql, [{ symbol: 'temp', value: 0 }], now);
  }
  expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 1 });
});

import { expect, test } from 'vitest';
import { startQuoteServer } from '../../../tools/local/quote-server/quote-server.ts';
import { generateTradingDay, readRecordedDay } from '../../../tools/local/quote-server/trading-day.ts';

const OPENS = Date.UTC(2026, 10, 20, 8);
const OPTIONS = { seed: 7, symbols: { DAX: 23500, BTC: 92000 }, opensAt: OPENS };

test('the same seed makes the same day, another seed another', () => {
  expect(generateTradingDay(OPTIONS)).toEqual(generateTradingDay(OPTIONS));
  expect(generateTradingDay({ ...OPTIONS, seed: 8 })).not.toEqual(generateTradingDay(OPTIONS));
});

test('a day has a quote per symbol and step, near where it opened, with gaps', () => {
  const day = generateTradingDay(OPTIONS).filter(({ symbol }) => symbol === 'DAX');
  expect(day).toHaveLength((8.5 * 3600) / 15 + 1);
  const values = day.map(({ value }) => value);
  expect(Math.min(...values)).toBeGreaterThan(23500 * 0.9);
  expect(Math.max(...values)).toBeLessThan(23500 * 1.1);
  const moves = values.slice(1).map((value, index) => Math.abs(value / (values[index] ?? 1) - 1));
  const gaps = moves.filter((move) => move > 0.002);
  expect(gaps.length).toBeGreaterThan(0);
  expect(gaps.length).toBeLessThan(20);
});

test('a recorded day is read by time; a bad line is an error', () => {
  const text = 'time,symbol,value\n2026-11-20T09:00:00Z,DAX,2\r\n2026-11-20T08:00:00Z,DAX,1\n';
  expect(readRecordedDay(text).map(({ value }) => value)).toEqual([1, 2]);
  expect(() => readRecordedDay('2026-11-20T09:00:00Z,DAX,\n')).toThrow(RangeError);
  expect(() => readRecordedDay('soon,DAX,1\n')).toThrow(RangeError);
});

test('a day is replayed by the clock, and sought', async () => {
  let now = 0;
  const day = readRecordedDay(
    '2026-11-20T08:00:00Z,DAX,1\n2026-11-20T08:01:00Z,DAX,2\n2026-11-20T09:00:00Z,DAX,3\n',
  );
  const server = await startQuoteServer({ day, speed: 60, now: () => now });
  try {
    const last = async () =>
      ((await (await fetch(`${server.origin}/json/DAX`)).json()) as { last: number }).last;
    expect(await last()).toBe(1);
    now = 1_500;
    expect(await last()).toBe(2);
    server.seek(Date.UTC(2026, 10, 20, 9));
    expect(await last()).toBe(3);
  } finally {
    await server.stop();
  }
});

import { beforeEach, describe, expect, test } from 'vitest';
import {
  type AlertInput,
  clearAlerts,
  course,
  MORNING,
  makeAlert,
  readAlert,
  recordQuotes,
} from '../../support/alerts.ts';
import { plus } from '../../support/queue.ts';
import { generator } from '../../support/random-numbers.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearAlerts(db().sql));

async function firings(values: number[], alert: AlertInput): Promise<number> {
  const id = await makeAlert(db().sql, alert);
  await course(db().sql, values, { seconds: 300 });
  return (await readAlert(db().sql, id)).times_fired;
}

const change = (threshold: number, direction: string): AlertInput => ({
  condition: 'percent_change',
  window_minutes: 5,
  threshold,
  direction,
});

// In binary fractions each of these comes out on the wrong side.
test.each([
  [100, 129, 29, 'up'],
  [1, 0.9, 10, 'down'],
  [0.1, 0.107, 7, 'up'],
  [1.1, 1.21, 10, 'up'],
  [18500.35, 18685.3535, 1, 'up'],
  [4.35, 4.2195, 3, 'down'],
  [-1.1, -0.99, 10, 'up'],
])('from %d to %d is %d %% %s', async (from, to, percent, direction) => {
  expect(await firings([from, from, to], change(percent, direction))).toBe(1);
});

test.each([
  [100, 128.9999999, 29, 'up'],
  [1, 0.90000001, 10, 'down'],
  [1.1, 1.2099999999, 10, 'up'],
])('from %d to %d is less than %d %% %s', async (from, to, percent, direction) => {
  expect(await firings([from, from, to], change(percent, direction))).toBe(0);
});

test('for a thousand prices and percentages of two places, a change fires exactly when it is so much on paper', async () => {
  const { sql } = db();
  const random = generator(5);
  const cases = Array.from({ length: 1000 }, (_, index) => {
    const from = 1 + Math.floor(random() * 1e6);
    const percent = 1 + Math.floor(random() * 5000);
    // In hundredths of a hundredth of a hundredth: exactly there, or one of them less.
    const short = index % 2;
    return { symbol: `paper:${index}`, from, percent, to: from * (10_000 + percent) - short, short };
  });
  const user = await makeAlert(sql, { symbol: 'other' });
  await sql`
    insert into public.push_alerts (user_id, symbol, condition, threshold, window_minutes, direction, recurring)
    select a.user_id, c.symbol, 'percent_change', c.threshold, 5, 'up', true
    from public.push_alerts as a,
      unnest(${cases.map(({ symbol }) => symbol)}::text[], ${cases.map(({ percent }) => percent / 100)}::float8[]) as c (symbol, threshold)
    where a.id = ${user}`;
  const quotes = (of: (one: (typeof cases)[number]) => number) =>
    cases.map((one) => ({ symbol: one.symbol, value: of(one) }));
  await recordQuotes(
    sql,
    quotes(({ from }) => from / 100),
    MORNING,
  );
  await recordQuotes(
    sql,
    quotes(({ from }) => from / 100),
    plus(MORNING, 300),
  );
  await recordQuotes(
    sql,
    quotes(({ to }) => Number(`${to}e-6`)),
    plus(MORNING, 600),
  );
  const fired = await sql`select symbol from public.push_alerts where times_fired = 1`;
  expect(fired.map(({ symbol }) => symbol).sort()).toEqual(
    cases
      .filter(({ short }) => !short)
      .map(({ symbol }) => symbol)
      .sort(),
  );
});

describe('a value', () => {
  test('that a program has added up to 0.30000000000000004 is above 0.3', async () => {
    expect(await firings([0.2, 0.1 + 0.2], { threshold: 0.3 })).toBe(1);
  });

  test('of 0.3 is not at 0.30000000000000004', async () => {
    expect(await firings([0.2, 0.3], { threshold: 0.1 + 0.2 })).toBe(0);
  });

  test('is at its threshold however many digits both have', async () => {
    expect(await firings([1, 123456789.12345678], { threshold: 123456789.12345678 })).toBe(1);
    await clearAlerts(db().sql);
    expect(await firings([1, 123456789.12345676], { threshold: 123456789.12345678 })).toBe(0);
  });
});

// 0.3 - 0.1 is 0.19999999999999998, 0.7 + 0.1 is 0.7999999999999999, 1.1 * 10 / 100 is 0.11000000000000001.
test.each<[string, number[], number]>([
  ['crosses_above', [0.1, 0.3, 0.2, 0.3], 0.1],
  ['crosses_below', [0.9, 0.7, 0.8, 0.7], 0.1],
])('%s is armed beyond its hysteresis, not at it', async (condition, values, hysteresis) => {
  const threshold = values[1] as number;
  expect(await firings(values, { condition, threshold, hysteresis })).toBe(1);
  await clearAlerts(db().sql);
  const beyond = (values[2] as number) + (condition === 'crosses_above' ? -1e-9 : 1e-9);
  expect(
    await firings([values[0] as number, threshold, beyond, threshold], { condition, threshold, hysteresis }),
  ).toBe(2);
});

test('so it is with a hysteresis in percent', async () => {
  const alert = { threshold: 1.1, hysteresis: 10, hysteresis_unit: 'percent' };
  expect(await firings([0.9, 1.1, 0.99, 1.1], alert)).toBe(1);
  await clearAlerts(db().sql);
  expect(await firings([0.9, 1.1, 0.9899999, 1.1], alert)).toBe(2);
});

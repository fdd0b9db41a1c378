import { beforeEach, describe, expect, test } from 'vitest';
import {
  type AlertInput,
  clearAlerts,
  course,
  makeAlert,
  readAlert,
  toldByAlerts,
} from '../../support/alerts.ts';
import { createUser } from '../../support/postgres.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearAlerts(db().sql));

/** At which of these values, a minute apart, an alert at 100 fires. */
async function firings(values: number[], alert: AlertInput = {}): Promise<number[]> {
  await makeAlert(db().sql, alert);
  const fired = await course(db().sql, values);
  return values.filter((_, index) => fired[index]);
}

describe.each<[string, number[], number[]]>([
  ['above', [99, 101, 99, 105], [101, 105]],
  ['crosses_above', [99, 101, 99, 105], [101, 105]],
  ['below', [101, 99, 101, 95], [99, 95]],
  ['crosses_below', [101, 99, 101, 95], [99, 95]],
  ['crosses', [99, 101, 98, 97, 102], [101, 98, 102]],
])('%s', (condition, values, expected) => {
  test('fires when the value gets there from the other side, and again when it comes back', async () => {
    expect(await firings(values, { condition })).toEqual(expected);
  });

  test('fires at the threshold itself, and not again while the value stays there', async () => {
    const from = values[0] as number;
    expect(await firings([from, 100, 100, 100, from, 100], { condition })).toEqual([100, 100]);
  });

  test('does not fire at its first value, on whichever side that is', async () => {
    for (const first of [99, 100, 101]) {
      await clearAlerts(db().sql);
      expect(await firings([first, first], { condition })).toEqual([]);
    }
  });

  test('fires once where once is what is asked for', async () => {
    expect(await firings(values, { condition, recurring: false })).toEqual(expected.slice(0, 1));
  });

  test('does not fire in the other direction', async () => {
    if (condition === 'crosses') return;
    const [, other] = values as [number, number];
    expect(await firings([other, values[0] as number], { condition })).toEqual([]);
  });
});

test('the first value only tells where it stands', async () => {
  const { sql } = db();
  const [below, above] = [await makeAlert(sql), await makeAlert(sql, { threshold: 90 })];
  expect(await readAlert(sql, below)).toMatchObject({ armed: false, last_side: null });
  expect(await course(sql, [95])).toEqual([0]);
  expect(await readAlert(sql, below)).toMatchObject({ armed: true, last_side: 'below', times_fired: 0 });
  // Beyond its threshold already: first it has to get back.
  expect(await readAlert(sql, above)).toMatchObject({ armed: false, last_side: 'above', times_fired: 0 });
});

test('an alert that is made while a fresh value is known starts from that', async () => {
  const { sql } = db();
  await course(sql, [95]);
  const alert = await makeAlert(sql);
  expect(await readAlert(sql, alert)).toMatchObject({ armed: true, last_side: 'below' });
  const beyond = await makeAlert(sql, { threshold: 90 });
  expect(await readAlert(sql, beyond)).toMatchObject({ armed: false, last_side: 'above' });
});

test('a gap over three thresholds fires each once, up and down', async () => {
  const { sql } = db();
  for (const threshold of [100, 101, 102]) {
    await makeAlert(sql, { threshold });
    await makeAlert(sql, { condition: 'crosses', threshold });
    await makeAlert(sql, { condition: 'below', threshold });
  }
  expect(await course(sql, [99, 150, 150, 50, 50])).toEqual([0, 6, 0, 6, 0]);
});

test('around its threshold an alert fires once while the value stays within the hysteresis', async () => {
  const around = [99, 100.5, 99.5, 100.2, 98.1, 101, 98, 104];
  expect(await firings(around, { hysteresis: 2 })).toEqual([100.5]);
  // At 98 it is not beyond, at 97.9 it is.
  await clearAlerts(db().sql);
  expect(await firings([...around, 97.9, 99.9, 100], { hysteresis: 2 })).toEqual([100.5, 100]);
});

test('hysteresis in percent is of the threshold', async () => {
  const alert = { threshold: 200, hysteresis: 1, hysteresis_unit: 'percent' };
  expect(await firings([199, 200, 198, 200, 197.9, 200], alert)).toEqual([200, 200]);
  await clearAlerts(db().sql);
  expect(await firings([-201, -200, -202, -200, -202.1, -200], { ...alert, threshold: -200 })).toEqual([
    -200, -200,
  ]);
});

test('what crosses both ways needs to get away from its threshold, on either side', async () => {
  expect(await firings([95, 101, 99, 101, 103, 99], { condition: 'crosses', hysteresis: 2 })).toEqual([
    101, 99,
  ]);
});

test('a value that was thrown far beyond by the crossing can cross back at once', async () => {
  expect(await firings([95, 120, 80, 120], { condition: 'crosses', hysteresis: 2 })).toEqual([120, 80, 120]);
});

test('several alerts of a user and of others on one symbol each stand for themselves', async () => {
  const { sql } = db();
  const [anna, ben] = [(await createUser(sql)).id, (await createUser(sql)).id];
  await makeAlert(sql, { setup: 'Breakout' }, anna);
  await makeAlert(sql, { setup: 'The same' }, anna);
  await makeAlert(sql, { condition: 'below', threshold: 95 }, anna);
  await makeAlert(sql, {}, ben);
  await makeAlert(sql, { symbol: 'BTC' }, ben);
  expect(await course(sql, [99, 101, 94])).toEqual([0, 3, 1]);
  expect((await toldByAlerts(sql)).filter(({ user_id: id }) => id === anna)).toHaveLength(3);
});

test('what is told of an alert is told once for each of its generations', async () => {
  const { sql } = db();
  const alert = await makeAlert(sql);
  await course(sql, [99, 101, 99, 101]);
  const rows = await sql`select idempotency_key, tag from public.push_notifications order by idempotency_key`;
  expect([...rows]).toEqual([
    { idempotency_key: `alert:${alert}:1`, tag: `alert:${alert}` },
    { idempotency_key: `alert:${alert}:2`, tag: `alert:${alert}` },
  ]);
});

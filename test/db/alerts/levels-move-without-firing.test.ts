import { beforeEach, expect, test } from 'vitest';
import {
  type AlertInput,
  clearAlerts,
  MORNING,
  makeAlert,
  readAlert,
  recordQuotes,
  toldByAlerts,
} from '../../support/alerts.ts';
import { asService } from '../../support/postgres.ts';
import { plus } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let seconds: number;
beforeEach(async () => {
  await clearAlerts(db().sql);
  seconds = 0;
});

const quote = async (value: number) => {
  seconds += 60;
  return (await recordQuotes(db().sql, [{ symbol: 'DAX', value }], plus(MORNING, seconds))).fired;
};
const setLevel = (value: number | string, level = 'pivot_point') =>
  asService(
    db().sql,
    (t) => t`
      insert into public.push_levels (symbol, level, value) values ('DAX', ${level}, ${value})
      on conflict (symbol, level) do update set value = excluded.value`,
  );
const atLevel = (alert: AlertInput = {}) =>
  makeAlert(db().sql, {
    condition: 'level',
    level: 'pivot_point',
    level_condition: 'crosses_above',
    ...alert,
  });
const told = async () => (await toldByAlerts(db().sql)).length;

test('crossing a level fires, with its name and value', async () => {
  await setLevel(100);
  await atLevel();
  expect([await quote(99), await quote(101)]).toEqual([0, 1]);
  expect(await toldByAlerts(db().sql)).toMatchObject([
    {
      title: '🔴 DAX - Pivot Point',
      params: { level_type: 'pivot_point', level_price: 100, current_price: 101 },
    },
  ]);
});

test('crosses is what is meant when nothing is said', async () => {
  await setLevel(100);
  const alert = await makeAlert(db().sql, { condition: 'level', level: 'pivot_point' });
  expect(await readAlert(db().sql, alert)).toMatchObject({ level_condition: 'crosses' });
  expect([await quote(99), await quote(101), await quote(99)]).toEqual([0, 1, 1]);
});

test.each(['above', 'below', 'crosses_above', 'crosses_below', 'crosses'])(
  'a level that moves over the value fires nothing, met by %s, either way',
  async (how) => {
    await setLevel(100);
    const alert = await atLevel({ level_condition: how });
    await quote(99);
    for (const level of [98, 100, 99, 98, 99, 100]) {
      await setLevel(level);
      expect(await readAlert(db().sql, alert)).toMatchObject({ level_price: level, times_fired: 0 });
    }
    await db().sql`select push.tick_alerts(10000, ${plus(MORNING, seconds)})`;
    expect(await quote(99)).toBe(0);
    expect(await told()).toBe(0);
  },
);

test('it fires at where the level is now, and no more at where it was', async () => {
  await setLevel(100);
  await atLevel();
  await quote(99);
  await setLevel(110);
  expect([await quote(105), await quote(111)]).toEqual([0, 1]);
});

test('beyond a level that has moved, it has to get back first', async () => {
  await setLevel(110);
  const alert = await atLevel();
  await quote(105);
  await setLevel(100);
  expect(await readAlert(db().sql, alert)).toMatchObject({ armed: false, last_side: 'above' });
  expect([await quote(106), await quote(99), await quote(101)]).toEqual([0, 0, 1]);
});

test('a level that is written again with the same value changes nothing', async () => {
  await setLevel(100);
  const alert = await atLevel({ hysteresis: 5 });
  expect([await quote(99), await quote(101), await quote(99)]).toEqual([0, 1, 0]);
  await setLevel(100);
  expect(await quote(101)).toBe(0);
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 1 });
});

test('an alert waits for a level that is not known yet, and begins when it appears', async () => {
  const alert = await atLevel();
  expect(await quote(99)).toBe(0);
  expect(await readAlert(db().sql, alert)).toMatchObject({
    armed: false,
    level_price: null,
    last_side: null,
  });
  await setLevel(100);
  expect(await readAlert(db().sql, alert)).toMatchObject({
    armed: true,
    level_price: 100,
    last_side: 'below',
  });
  expect(await quote(101)).toBe(1);
});

test('a level that appears before the first value waits for that', async () => {
  const alert = await atLevel();
  await setLevel(100);
  expect(await readAlert(db().sql, alert)).toMatchObject({ level_price: 100, last_side: null });
  expect([await quote(101), await quote(99), await quote(101)]).toEqual([0, 0, 1]);
});

test('a level that disappears, or gets another name, leaves its alerts waiting', async () => {
  await setLevel(100);
  const alert = await atLevel();
  await quote(99);
  await asService(db().sql, (t) => t`update public.push_levels set level = 'support_1'`);
  expect(await readAlert(db().sql, alert)).toMatchObject({ armed: false, level_price: null });
  expect(await quote(150)).toBe(0);
  await asService(db().sql, (t) => t`update public.push_levels set level = 'pivot_point'`);
  expect(await readAlert(db().sql, alert)).toMatchObject({ last_side: 'above', level_price: 100 });
  await asService(db().sql, (t) => t`delete from public.push_levels`);
  expect([await quote(50), await quote(150)]).toEqual([0, 0]);
  expect(await told()).toBe(0);
});

test('one that was held back is forgotten when its level moves', async () => {
  await setLevel(100);
  const alert = await atLevel({ level_condition: 'above', cooldown: '5 minutes' });
  expect([await quote(99), await quote(101), await quote(99), await quote(101)]).toEqual([0, 1, 0, 0]);
  expect((await readAlert(db().sql, alert)).held_until).not.toBeNull();
  await setLevel(100.5);
  const [tended] = await db().sql`select push.tick_alerts(10000, ${plus(MORNING, 600)}) as done`;
  expect(tended?.done.fired).toBe(0);
  expect(await readAlert(db().sql, alert)).toMatchObject({ held_until: null, times_fired: 1 });
});

test('of many levels in one statement each alert follows its own', async () => {
  const alerts = await Promise.all(
    ['support_1', 'pivot_point', 'own_level'].map((level) => atLevel({ level, symbol: 'DAX' })),
  );
  await quote(100);
  await asService(
    db().sql,
    (t) => t`insert into public.push_levels (symbol, level, value) values
      ('DAX', 'own_level', 103), ('DAX', 'support_1', 101), ('BTC', 'pivot_point', 1), ('DAX', 'pivot_point', 102)`,
  );
  expect(await Promise.all(alerts.map(async (id) => (await readAlert(db().sql, id)).level_price))).toEqual([
    101, 102, 103,
  ]);
  expect([await quote(101), await quote(110)]).toEqual([1, 2]);
});

test.each(['NaN', 'Infinity', '-Infinity', '1e101'])('%s is no level', async (value) => {
  expect((await refusalOf(setLevel(value))).sqlstate).toBe('23514');
});

test('a switched-off alert does not follow, and begins anew at the level of its day', async () => {
  await setLevel(100);
  const alert = await atLevel({ enabled: false });
  await quote(99);
  await setLevel(110);
  expect(await readAlert(db().sql, alert)).toMatchObject({ armed: false });
  await db().sql`update public.push_alerts set enabled = true where id = ${alert}`;
  expect(await readAlert(db().sql, alert)).toMatchObject({ armed: true, level_price: 110 });
});

import { beforeEach, expect, test } from 'vitest';
import {
  type AlertInput,
  clearAlerts,
  course,
  MORNING,
  makeAlert,
  readAlert,
  recordQuotes,
  toldByAlerts,
} from '../../support/alerts.ts';
import { plus } from '../../support/queue.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
const HOUR = 3600;
beforeEach(() => clearAlerts(db().sql));

const change = (alert: AlertInput = {}) =>
  makeAlert(db().sql, {
    condition: 'percent_change',
    threshold: 5,
    window_minutes: 10,
    direction: 'either',
    ...alert,
  });
const quote = async (seconds: number, value: number, quotedAt = seconds) => {
  const quotes = [{ symbol: 'DAX', value, quoted_at: plus(MORNING, quotedAt) }];
  return (await recordQuotes(db().sql, quotes, plus(MORNING, seconds))).fired;
};

test.each<[string, number[]]>([
  ['up', [0, 0, 1, 0, 0, 0]],
  ['down', [0, 0, 0, 0, 0, 1]],
  ['either', [0, 0, 1, 0, 0, 1]],
])('%s fires when the value has changed so much that way', async (direction, expected) => {
  await change({ direction });
  // Every ten minutes: +0, +5, 0, 0, -5 percent.
  expect(await course(db().sql, [100, 100, 105, 105, 105, 99.75], { seconds: 600 })).toEqual(expected);
});

test('either is what is meant when nothing is said', async () => {
  const alert = await makeAlert(db().sql, { condition: 'percent_change', threshold: 5, window_minutes: 10 });
  expect(await readAlert(db().sql, alert)).toMatchObject({ direction: 'either' });
});

test('from one end right to the other fires at both', async () => {
  const alert = await change();
  expect(await course(db().sql, [100, 100, 110, 90, 99], { seconds: 600 })).toEqual([0, 0, 1, 1, 1]);
  expect((await toldByAlerts(db().sql)).map(({ params }) => [params.direction, params.change])).toEqual([
    ['up', 10],
    ['down', -18.18],
    ['up', 10],
  ]);
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 3 });
});

test('is silent until something is known of the time before', async () => {
  const alert = await change();
  expect(await course(db().sql, [100, 120, 140], { seconds: 240 })).toEqual([0, 0, 0]);
  expect(await readAlert(db().sql, alert)).toMatchObject({ last_side: null, armed: false });
  // The first comparison that is possible says where it stands, and fires nothing.
  expect(await quote(720, 141)).toBe(0);
  expect(await readAlert(db().sql, alert)).toMatchObject({ last_side: 'above', armed: false });
});

test('it is compared with the last value at least so long ago, not with the extremes between', async () => {
  await change({ direction: 'up' });
  expect([
    await quote(0, 100),
    await quote(600, 100),
    await quote(900, 90),
    await quote(1199, 104.9),
  ]).toEqual([0, 0, 0, 0]);
  // Ten minutes after the 100, and then after the 90.
  expect([await quote(1200, 104.9), await quote(1500, 104.9)]).toEqual([0, 1]);
});

test('after a night the first value is compared with the last of yesterday', async () => {
  await change({ window_minutes: 60 });
  expect([await quote(0, 100), await quote(HOUR, 100)]).toEqual([0, 0]);
  expect(await quote(16 * HOUR, 94)).toBe(1);
  expect(await toldByAlerts(db().sql)).toMatchObject([
    {
      title: '🔴 DAX - -6.00 % in 1 h',
      params: { change: -6, direction: 'down', level_price: 5, current_price: 94 },
    },
  ]);
});

test('so it is after a weekend, while the history is kept so long', async () => {
  await change({ window_minutes: 60 });
  await quote(0, 100);
  await quote(HOUR, 100);
  await db().sql`select push.tick_alerts(10000, ${plus(MORNING, 64 * HOUR)})`;
  expect(await quote(64 * HOUR, 106)).toBe(1);
});

test('hysteresis arms it again when the change is that much smaller', async () => {
  await change({ direction: 'up', hysteresis: 2 });
  // Changes in percent: -, 0, 5, 3, 5, 2.9, 5.
  const values = [100, 100];
  for (const percent of [5, 3, 5, 2.9, 5])
    values.push((values.at(-1) as number) * (1 + percent / 100 + 1e-6));
  expect(await course(db().sql, values, { seconds: 600 })).toEqual([0, 0, 1, 0, 0, 0, 1]);
});

test('alerts over several windows of one symbol each look at their own', async () => {
  const alerts = await Promise.all(
    [1, 10, 30].map((minutes) => change({ window_minutes: minutes, direction: 'up' })),
  );
  // Three percent every five minutes: nothing in one, five in ten.
  await course(db().sql, [100, 100, 100, 100, 100, 100, 100, 103, 106.09], { seconds: 300 });
  expect(await Promise.all(alerts.map(async (id) => (await readAlert(db().sql, id)).times_fired))).toEqual([
    0, 1, 1,
  ]);
});

test('what comes late changes what it is compared with, at the next look', async () => {
  await change({ direction: 'up' });
  expect([await quote(0, 100), await quote(600, 100), await quote(1300, 100)]).toEqual([0, 0, 0]);
  expect(await quote(1310, 90, 650)).toBe(0);
  const [tended] = await db().sql`select push.tick_alerts(10000, ${plus(MORNING, 1320)}) as done`;
  expect(tended?.done.fired).toBe(1);
});

test('from zero there is no change in percent', async () => {
  const alert = await change();
  expect(await course(db().sql, [0, 0, 5, 5], { seconds: 600 })).toEqual([0, 0, 0, 0]);
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 0 });
});

test('less than zero, up is up', async () => {
  const alert = await change({ direction: 'up' });
  expect(await course(db().sql, [-100, -100, -90], { seconds: 600 })).toEqual([0, 0, 1]);
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 1 });
});

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
import { asUser, createUser } from '../../support/postgres.ts';
import { plus } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let owner: string;
beforeEach(async () => {
  await clearAlerts(db().sql);
  owner = (await createUser(db().sql)).id;
});

const make = (alert: AlertInput = {}) => asUser(db().sql, owner, (t) => makeAlert(t, alert, owner));
const change = (id: string, values: AlertInput) =>
  asUser(db().sql, owner, (t) => t`update public.push_alerts set ${t(values as never)} where id = ${id}`);
const quote = async (seconds: number, value: number) =>
  (await recordQuotes(db().sql, [{ symbol: 'DAX', value }], plus(MORNING, seconds))).fired;
const read = (id: string) => readAlert(db().sql, id);

describe('an alert that fires once', () => {
  test('is switched off by that, with the reason, and looks no more', async () => {
    const alert = await make({ recurring: false });
    expect(await course(db().sql, [99, 101, 99, 101])).toEqual([0, 1, 0, 0]);
    expect(await read(alert)).toMatchObject({
      enabled: false,
      armed: false,
      disabled_reason: 'fired',
      times_fired: 1,
    });
  });

  test('starts anew when its owner switches it on, from where the value is', async () => {
    const alert = await make({ recurring: false });
    await course(db().sql, [99, 101]);
    await change(alert, { enabled: true });
    expect(await read(alert)).toMatchObject({
      enabled: true,
      armed: false,
      last_side: 'above',
      disabled_reason: null,
    });
    expect([await quote(180, 102), await quote(240, 99), await quote(300, 101)]).toEqual([0, 0, 1]);
    expect(await read(alert)).toMatchObject({ times_fired: 2, generation: 2, enabled: false });
  });

  test('is what is meant when nothing is said', async () => {
    const [row] = await db().sql`
      insert into public.push_alerts (user_id, symbol, condition, threshold) values (${owner}, 'DAX', 'above', 1) returning *`;
    expect(row).toMatchObject({
      recurring: false,
      enabled: true,
      urgency: 'high',
      hysteresis: 0,
      armed: false,
    });
  });
});

describe('expiry', () => {
  test('ends an alert at the next minute, with the reason', async () => {
    const alert = await make({ expires_at: plus(MORNING, 120) });
    expect([await quote(0, 99), await quote(60, 101), await quote(90, 99)]).toEqual([0, 1, 0]);
    expect(
      (await db().sql`select push.tick_alerts(10000, ${plus(MORNING, 119)}) as done`)[0]?.done.expired,
    ).toBe(0);
    expect(
      (await db().sql`select push.tick_alerts(10000, ${plus(MORNING, 120)}) as done`)[0]?.done.expired,
    ).toBe(1);
    expect(await read(alert)).toMatchObject({ enabled: false, armed: false, disabled_reason: 'expired' });
  });

  test('counts for a value that comes before that minute', async () => {
    const alert = await make({ expires_at: plus(MORNING, 120) });
    expect([await quote(0, 99), await quote(120, 101)]).toEqual([0, 0]);
    expect(await read(alert)).toMatchObject({ enabled: false, disabled_reason: 'expired', times_fired: 0 });
  });

  test('that has passed keeps an alert from being made and from being switched on', async () => {
    const passed = { sqlstate: 'PT400', code: 'expires_in_past' };
    expect(await refusalOf(make({ expires_at: new Date(0) }))).toMatchObject(passed);
    const alert = await make({ enabled: false, expires_at: new Date(0) });
    expect(await refusalOf(change(alert, { enabled: true }))).toMatchObject(passed);
    await change(alert, { enabled: true, expires_at: null });
    expect(await read(alert)).toMatchObject({ enabled: true, disabled_reason: null });
  });

  test('can be moved while the alert is armed', async () => {
    const alert = await make({ expires_at: plus(MORNING, 120) });
    await quote(0, 99);
    await change(alert, { expires_at: plus(MORNING, 1200) });
    expect(await quote(180, 101)).toBe(1);
  });
});

describe('while it is armed', () => {
  test('another threshold starts it from where the value is', async () => {
    const alert = await make();
    await quote(0, 99);
    await change(alert, { threshold: 98 });
    expect(await read(alert)).toMatchObject({ armed: false, last_side: 'above', level_price: 98 });
    expect(await quote(60, 101)).toBe(0);
    await change(alert, { threshold: 105 });
    expect([await quote(120, 104), await quote(180, 105)]).toEqual([0, 1]);
  });

  test('another symbol starts it with that one', async () => {
    const alert = await make();
    await quote(0, 99);
    await change(alert, { symbol: 'BTC' });
    expect(await read(alert)).toMatchObject({ armed: false, last_side: null });
    expect(await quote(60, 101)).toBe(0);
    expect(await course(db().sql, [99, 101], { symbol: 'BTC' })).toEqual([0, 1]);
  });

  test('another condition starts it as that', async () => {
    const alert = await make();
    await quote(0, 99);
    await change(alert, { condition: 'crosses_below', threshold: 98 });
    expect([await quote(60, 101), await quote(120, 97)]).toEqual([0, 1]);
    await change(alert, { condition: 'percent_change', threshold: 5, window_minutes: 1, direction: 'up' });
    expect([await quote(180, 97), await quote(240, 120)]).toEqual([0, 1]);
  });

  test('new words, urgency, cooldown and hours leave it where it stands', async () => {
    const alert = await make();
    await quote(0, 99);
    const before = await read(alert);
    await change(alert, {
      title: 'Now!',
      setup: 'Mine',
      urgency: 'low',
      cooldown: '1 hour',
      recurring: false,
    });
    expect(await read(alert)).toMatchObject({ armed: before.armed, upper_line: before.upper_line });
    expect(await quote(60, 101)).toBe(1);
  });

  test('a firing in between is not forgotten by such a change', async () => {
    const alert = await make({ hysteresis: 5 });
    expect([await quote(0, 99), await quote(60, 101)]).toEqual([0, 1]);
    await change(alert, { setup: 'Mine' });
    expect([await quote(120, 99), await quote(180, 101)]).toEqual([0, 0]);
  });
});

describe('switched off', () => {
  test('an alert looks at nothing, and says why', async () => {
    const alert = await make();
    await quote(0, 99);
    await change(alert, { enabled: false });
    expect(await read(alert)).toMatchObject({
      armed: false,
      disabled_reason: 'switched_off',
      last_side: null,
    });
    expect(await quote(60, 101)).toBe(0);
  });

  test('and on, it starts from where the value is: what it has missed is not told', async () => {
    const alert = await make();
    await quote(0, 99);
    await change(alert, { enabled: false });
    await quote(60, 101);
    await change(alert, { enabled: true });
    expect(await read(alert)).toMatchObject({ armed: false, last_side: 'above', disabled_reason: null });
    expect([await quote(120, 101), await quote(180, 99), await quote(240, 100)]).toEqual([0, 0, 1]);
  });

  test('one that has fired keeps that as its reason while it is changed', async () => {
    const alert = await make({ recurring: false });
    await course(db().sql, [99, 101]);
    await change(alert, { threshold: 120 });
    expect(await read(alert)).toMatchObject({ enabled: false, disabled_reason: 'fired' });
  });

  test('a user who is deleted takes the alerts along', async () => {
    await make();
    await quote(0, 99);
    await db().sql`delete from auth.users where id = ${owner}`;
    expect(await quote(60, 101)).toBe(0);
  });
});

test('what is watched are the symbols of enabled alerts that have not expired', async () => {
  const { sql } = db();
  await make();
  await make();
  await make({ symbol: 'BTC', enabled: false });
  await make({ symbol: 'ETH', expires_at: plus(MORNING, 60) });
  await make({ symbol: 'SOL', condition: 'level', level: 'pivot_point' });
  const watched = async (seconds: number) =>
    (await sql`select symbol from public.push_watched_symbols(${plus(MORNING, seconds)})`).map(
      ({ symbol }) => symbol,
    );
  expect(await watched(0)).toEqual(['DAX', 'ETH', 'SOL']);
  expect(await watched(60)).toEqual(['DAX', 'SOL']);
});

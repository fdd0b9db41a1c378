import { beforeEach, expect, test } from 'vitest';
import {
  alertSummaries,
  clearAlerts,
  MORNING,
  makeAlert,
  readAlert,
  recordQuotes,
  toldByAlerts,
} from '../../support/alerts.ts';
import { release } from '../../support/digests.ts';
import { createUser } from '../../support/postgres.ts';
import { deliveriesOf } from '../../support/preferences.ts';
import { clearQueue, plus, setSetting } from '../../support/queue.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const LIMIT = 10;
const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearAlerts(sql);
  await clearQueue(sql);
  await sql`delete from push.alert_counts`;
  await sql`delete from public.push_categories`;
  await sql`delete from public.push_templates`;
  await sql`update push.settings set alerts_per_minute = ${LIMIT}, alert_template = null, alert_summary_template = null`;
  user = (await createUser(sql)).id;
});

const quote = async (seconds: number, value: number, ...symbols: string[]) =>
  (
    await recordQuotes(
      db().sql,
      (symbols.length ? symbols : ['DAX']).map((symbol) => ({ symbol, value })),
      plus(MORNING, seconds),
    )
  ).fired;
/** So many alerts on each of these symbols, which a first value has armed. */
async function alerts(count: number, symbols = ['DAX'], values = {}, owner = user): Promise<string[]> {
  const made: string[] = [];
  for (const symbol of symbols)
    for (let n = 0; n < count; n += 1)
      made.push(await makeAlert(db().sql, { symbol, condition: 'crosses', ...values }, owner));
  await quote(-60, 99, ...symbols);
  return made;
}
const tend = async (seconds: number) =>
  (await db().sql`select push.tick_alerts(10000, ${plus(MORNING, seconds)}) as done`)[0]?.done as {
    summaries: number;
    fired: number;
  };
const summaries = () => alertSummaries(db().sql);
const told = async () => (await toldByAlerts(db().sql)).length;

test('ten are told within a minute unless settings say otherwise', async () => {
  const [row] = await db().sql`
    select column_default from information_schema.columns
    where table_schema = 'push' and table_name = 'settings' and column_name = 'alerts_per_minute'`;
  expect(row?.column_default).toBe(`${LIMIT}`);
});

test('what fires beyond the limit is told in one message at the end of the minute, and stands as if it had been told', async () => {
  const { sql } = db();
  const devices = [await subscribe(sql, user), await subscribe(sql, user)];
  const made = await alerts(LIMIT + 5);
  expect(await quote(0, 101)).toBe(LIMIT + 5);
  expect(await quote(59, 99)).toBe(LIMIT + 5);
  expect(await told()).toBe(LIMIT);
  for (const id of made)
    expect(await readAlert(sql, id)).toMatchObject({
      times_fired: 2,
      generation: 2,
      last_fired_at: plus(MORNING, 59),
      armed: true,
    });

  expect(await tend(59)).toMatchObject({ summaries: 0 });
  expect(await tend(60)).toMatchObject({ summaries: 1 });
  expect(await tend(61)).toMatchObject({ summaries: 0 });
  const [summary, ...others] = await summaries();
  expect(others).toEqual([]);
  expect(summary).toMatchObject({
    user_id: user,
    title: '🔴 20 more alerts',
    body: 'DAX × 20',
    params: { count: 20, names: 'DAX × 20', symbols: [{ symbol: 'DAX', count: 20 }] },
    category: 'alerts:DAX',
    urgency: 'high',
    tag: 'alerts:more',
    inbox: true,
  });
  expect(await release(sql, plus(MORNING, 60))).toBe(1);
  const deliveries = await deliveriesOf(sql, summary?.id as string);
  expect(deliveries.map(({ subscription_id, state }) => [subscription_id, state]).sort()).toEqual(
    devices.map((id) => [id, 'queued']).sort(),
  );
  expect(await sql`select from push.alert_counts`).toHaveLength(0);
});

test('each minute counts anew', async () => {
  await alerts(LIMIT);
  for (const [seconds, value] of [
    [30, 101],
    [59.9, 99],
    [60, 101],
    [119, 99],
  ] as const)
    await quote(seconds, value);
  expect(await told()).toBe(2 * LIMIT);
  expect(await tend(60)).toMatchObject({ summaries: 1 });
  expect(await tend(120)).toMatchObject({ summaries: 1 });
  expect((await summaries()).map(({ params }) => params.count)).toEqual([LIMIT, LIMIT]);
});

test('it counts whatever fires, of all symbols and in every way, and names the symbols', async () => {
  const symbols = ['A', 'B', 'C', 'D', 'E', 'F'];
  await alerts(2, symbols);
  await alerts(1, ['A'], { symbol: 'A', condition: 'above', cooldown: '10 seconds' });
  await quote(-50, 101, ...symbols);
  await quote(-30, 99, ...symbols);
  await db().sql`delete from push.alert_counts`;
  await db().sql`delete from public.push_notifications`;
  // Twelve at once, the minute's look, one by one, and straight into the table.
  expect(await quote(0, 101, ...symbols)).toBe(13);
  await quote(1, 99, 'A');
  await quote(2, 101, 'A');
  expect(await tend(15)).toMatchObject({ fired: 1 });
  await db().sql`select push.record_quote('B', 99, ${plus(MORNING, 16)})`;
  expect(await told()).toBe(LIMIT);
  await tend(60);
  const [summary] = await summaries();
  expect(summary?.params.count).toBe(13 + 4 + 1 + 2 - LIMIT);
  expect(summary).toMatchObject({
    category: 'alerts',
    body: expect.stringMatching(/^A × \d( · [B-F]( × \d)?)+( · …)?$/),
  });
  expect(
    Object.fromEntries(summary?.params.symbols.map(({ symbol, count }) => [symbol, count]) ?? []),
  ).toMatchObject({
    A: expect.any(Number),
    B: expect.any(Number),
  });
});

test('five symbols are named, those with most alerts first', async () => {
  await setSetting(db().sql, 'alerts_per_minute', 1);
  await alerts(1, ['A', 'B', 'C', 'D', 'E', 'F', 'G']);
  await alerts(2, ['F']);
  await quote(0, 101, 'G', 'A', 'B', 'C', 'D', 'E', 'F');
  await tend(60);
  const [summary] = await summaries();
  expect(summary?.title).toBe('🔴 8 more alerts');
  expect(summary?.body).toMatch(/^F × [23]( · [A-G]){4} · …$/);
  expect(summary?.params.symbols).toHaveLength(7 - (summary?.body?.includes('F × 3') ? 1 : 0));
});

test('one that fires once and is beyond the limit has fired', async () => {
  const made = await alerts(LIMIT + 1, ['DAX'], { recurring: false });
  await quote(0, 101);
  for (const id of made)
    expect(await readAlert(db().sql, id)).toMatchObject({
      enabled: false,
      disabled_reason: 'fired',
      times_fired: 1,
    });
  await tend(60);
  expect(await summaries()).toMatchObject([{ title: '🔴 1 more alert', body: 'DAX' }]);
});

test('the urgency is the highest of what it counts', async () => {
  await setSetting(db().sql, 'alerts_per_minute', 1);
  await alerts(3, ['A'], { urgency: 'low' });
  await alerts(1, ['B'], { urgency: 'normal' });
  await quote(0, 101, 'A', 'B');
  await quote(1, 99, 'A');
  await tend(60);
  expect(await summaries()).toMatchObject([{ urgency: 'normal' }]);
});

test('one user beyond the limit takes nothing from another, whose alerts the same quote crosses', async () => {
  const { sql } = db();
  await alerts(50);
  const other = (await createUser(sql)).id;
  await alerts(3, ['DAX'], {}, other);
  for (let second = 0; second < 20; second += 1) await quote(second, second % 2 ? 99 : 101);
  for (const id of [user, other]) {
    const [row] = await sql`select count(*)::int as n from public.push_notifications where user_id = ${id}`;
    expect(row?.n).toBe(LIMIT);
  }
  expect(await tend(60)).toMatchObject({ summaries: 2 });
  expect(
    Object.fromEntries((await summaries()).map(({ user_id, params }) => [user_id, params.count])),
  ).toEqual({
    [user]: 50 * 20 - LIMIT,
    [other]: 3 * 20 - LIMIT,
  });
});

test('what the app itself sends is not limited, and takes no place of the alerts', async () => {
  const { sql } = db();
  await subscribe(sql, user);
  for (let n = 0; n < 3 * LIMIT; n += 1)
    await sql`select push.notify(${user}, 'Hello', p_category => 'alerts:DAX')`;
  await alerts(LIMIT);
  await quote(0, 101);
  const states = await sql`select state, count(*)::int as n from push.deliveries group by state`;
  expect([...states]).toEqual([{ state: 'queued', n: 4 * LIMIT }]);
  await tend(60);
  expect(await summaries()).toEqual([]);
});

test('without a limit every one is told', async () => {
  const { sql } = db();
  await sql`update push.settings set alerts_per_minute = null`;
  await alerts(3 * LIMIT);
  await quote(0, 101);
  expect(await told()).toBe(3 * LIMIT);
  expect(await sql`select from push.alert_counts`).toHaveLength(0);
});

import { beforeEach, expect, test } from 'vitest';
import { clearAlerts, makeAlert, readAlert, toldByAlerts } from '../../support/alerts.ts';
import { asService } from '../../support/postgres.ts';
import { plus } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let now: Date;
beforeEach(async () => {
  await clearAlerts(db().sql);
  now = new Date();
});

/** What supabase-js sends: `on conflict` sets the columns that the rows have, and no others. */
function upsert(...rows: Record<string, unknown>[]) {
  const columns = Object.keys(rows[0] as object);
  const changes = columns.map((column) => `${column} = excluded.${column}`).join(', ');
  return asService(
    db().sql,
    (t) =>
      t`insert into public.push_quotes ${t(rows as never[])} on conflict (symbol) do update set ${t.unsafe(changes)}`,
  );
}

const age = async () =>
  (
    await db()
      .sql`select extract(epoch from clock_timestamp() - quoted_at)::float8 as age from public.push_quotes`
  )[0]?.age;
const history = async () =>
  (await db().sql`select value from push.quote_history order by quoted_at`).map(({ value }) => value);
const setBack = (seconds: number) =>
  db().sql.begin(async (t) => {
    await t`alter table public.push_quotes disable trigger user`;
    await t`update public.push_quotes set quoted_at = quoted_at - make_interval(secs => ${seconds})`;
    await t`alter table public.push_quotes enable trigger user`;
    await t`delete from push.quote_history`;
  });

test('an upsert of symbol and value fires as a recorded quote does', async () => {
  const alert = await makeAlert(db().sql);
  await upsert({ symbol: 'DAX', value: 99 }, { symbol: 'BTC', value: 1 });
  await upsert({ symbol: 'DAX', value: 101 }, { symbol: 'BTC', value: 2 });
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 1 });
  expect(await toldByAlerts(db().sql)).toMatchObject([{ params: { current_price: 101 } }]);
  expect((await history()).sort()).toEqual([1, 101, 2, 99]);
});

test('so does an update', async () => {
  const alert = await makeAlert(db().sql);
  await upsert({ symbol: 'DAX', value: 99 });
  await asService(db().sql, (t) => t`update public.push_quotes set value = value + 5 where symbol = 'DAX'`);
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 1 });
});

test('a value that does not change is quoted anew, and an alert that is made then knows it', async () => {
  await upsert({ symbol: 'DAX', value: 99 });
  await setBack(3600);
  const before = await makeAlert(db().sql);
  expect(await readAlert(db().sql, before)).toMatchObject({ last_side: null });
  await upsert({ symbol: 'DAX', value: 99 });
  expect(await age()).toBeLessThan(60);
  expect(await readAlert(db().sql, before)).toMatchObject({ last_side: 'below', armed: true });
  expect(await readAlert(db().sql, await makeAlert(db().sql))).toMatchObject({
    last_side: 'below',
    armed: true,
  });
  await upsert({ symbol: 'DAX', value: 101 });
  expect(await toldByAlerts(db().sql)).toHaveLength(2);
});

test('with a moment, only a later one replaces it: the same again, another value for it and an earlier one do not', async () => {
  const alert = await makeAlert(db().sql);
  await upsert({ symbol: 'DAX', value: 99, quoted_at: plus(now, -60) });
  await upsert({ symbol: 'DAX', value: 99, quoted_at: plus(now, -60) });
  await upsert({ symbol: 'DAX', value: 500, quoted_at: plus(now, -60) });
  await upsert({ symbol: 'DAX', value: 400, quoted_at: plus(now, -90) });
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 0, last_side: 'below' });
  expect(await history()).toEqual([400, 99]);
  await upsert({ symbol: 'DAX', value: 101, quoted_at: plus(now, -30) });
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 1 });
});

test.each([
  ['NaN', '23514'],
  ['Infinity', '23514'],
  ['-Infinity', '23514'],
  ['1e101', '23514'],
  ['1e-101', '23514'],
])(
  '%s is refused, also for a moment that has passed, and fires nothing by way of a change',
  async (value, sqlstate) => {
    const alert = await makeAlert(db().sql);
    const change = await makeAlert(db().sql, {
      condition: 'percent_change',
      threshold: 1,
      window_minutes: 5,
    });
    await upsert({ symbol: 'DAX', value: 99, quoted_at: plus(now, -60) });
    expect((await refusalOf(upsert({ symbol: 'DAX', value }))).sqlstate).toBe(sqlstate);
    expect((await refusalOf(upsert({ symbol: 'DAX', value, quoted_at: plus(now, -600) }))).sqlstate).toBe(
      sqlstate,
    );
    expect((await refusalOf(upsert({ symbol: 'BTC', value }))).sqlstate).toBe(sqlstate);
    // An update for a moment that has passed goes into the history alone, past what the table itself refuses.
    const late = asService(
      db().sql,
      (t) => t`update public.push_quotes set value = ${value}, quoted_at = ${plus(now, -600)}`,
    );
    expect((await refusalOf(late)).sqlstate).toBe(sqlstate);
    await upsert({ symbol: 'DAX', value: 99.1 });
    expect(await history()).toEqual([99, 99.1]);
    for (const id of [alert, change]) expect(await readAlert(db().sql, id)).toMatchObject({ times_fired: 0 });
  },
);

test('a moment of the future, none at all and an endless past are refused', async () => {
  expect(await refusalOf(upsert({ symbol: 'DAX', value: 1, quoted_at: plus(now, 90) }))).toMatchObject({
    sqlstate: 'PT400',
    code: 'quoted_in_future',
  });
  expect((await refusalOf(upsert({ symbol: 'DAX', value: 1, quoted_at: null }))).sqlstate).toBe('23502');
  await upsert({ symbol: 'DAX', value: 1 });
  const endless = asService(
    db().sql,
    (t) => t`update public.push_quotes set value = 2, quoted_at = '-infinity'`,
  );
  expect((await refusalOf(endless)).sqlstate).toBe('23514');
  expect(await history()).toEqual([1]);
});

test('a quote keeps its symbol', async () => {
  await upsert({ symbol: 'DAX', value: 1 });
  const renamed = asService(db().sql, (t) => t`update public.push_quotes set symbol = 'BTC'`);
  expect(await refusalOf(renamed)).toMatchObject({ sqlstate: 'PT409', code: 'symbol_changed' });
});

test('a symbol that is deleted and comes again goes on from there', async () => {
  const alert = await makeAlert(db().sql);
  await upsert({ symbol: 'DAX', value: 99 });
  await asService(db().sql, (t) => t`delete from public.push_quotes`);
  await upsert({ symbol: 'DAX', value: 101 });
  expect(await readAlert(db().sql, alert)).toMatchObject({ times_fired: 1 });
});

import { beforeAll, beforeEach, expect, test } from 'vitest';
import { clearAlerts, makeAlert, readAlert, recordQuotes, toldByAlerts } from '../../support/alerts.ts';
import { asUser, createUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { withSessions } from '../../support/sessions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeAll(async () => {
  const { sql } = db();
  await sql`create table public.products (sku text primary key, stock double precision)`;
  await sql`grant select, insert, update on public.products to authenticated`;
  await sql.unsafe(`
    create function public.quote_stock() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      perform push.record_quote('stock:' || new.sku, new.stock);
      return null;
    end $$;
    create trigger quote_stock after insert or update of stock on public.products
    for each row execute function public.quote_stock();`);
});
beforeEach(async () => {
  await clearAlerts(db().sql);
  await db().sql`delete from public.products`;
});

const lowStock = () => makeAlert(db().sql, { symbol: 'stock:SKU-7', condition: 'below', threshold: 10 });
const setStock = (stock: unknown) =>
  db()
    .sql`insert into public.products values ('SKU-7', ${stock as number}) on conflict (sku) do update set stock = excluded.stock`;

test('a row that changes fires in its own transaction, also when a user changes it', async () => {
  const { sql } = db();
  const alert = await lowStock();
  const shopper = (await createUser(sql)).id;
  await setStock(12);
  await asUser(sql, shopper, (t) => t`update public.products set stock = stock - 2`);
  expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 1 });
  expect(await toldByAlerts(sql)).toMatchObject([
    { title: '🔴 stock:SKU-7 - Below 10', params: { current_price: 10 } },
  ]);
});

test('what is rolled back was never quoted, and fires when it comes to be', async () => {
  const { sql } = db();
  const alert = await lowStock();
  await setStock(12);
  await withSessions(db().url, 1, async (...[session]) => {
    const own = session?.sql as typeof sql;
    await own`begin`;
    await own`update public.products set stock = 3`;
    await own`rollback`;
  });
  expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 0, armed: true });
  await setStock(3);
  expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 1 });
});

test('several changes in one transaction are each looked at', async () => {
  const { sql } = db();
  const alert = await lowStock();
  await sql.begin(async (t) => {
    for (const stock of [12, 9, 12, 8])
      await t`
      insert into public.products values ('SKU-7', ${stock}) on conflict (sku) do update set stock = excluded.stock`;
  });
  expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 2 });
});

test('a row of many is one quote each', async () => {
  const { sql } = db();
  await sql`insert into public.products select 'SKU-' || n, n from generate_series(1, 20) as n`;
  const [row] =
    await sql`select count(*)::int as n, sum(value) as sum from public.push_quotes where symbol like 'stock:%'`;
  expect(row).toEqual({ n: 20, sum: 210 });
});

test.each([
  ['null', null],
  ['NaN', 'NaN'],
  ['Infinity', 'Infinity'],
  ['1e-200', '1e-200'],
])('%s says nothing, and breaks no write of the application', async (_, stock) => {
  const { sql } = db();
  const alert = await lowStock();
  await setStock(12);
  await setStock(stock);
  expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 0, armed: true });
  expect([...(await sql`select value from public.push_quotes`)]).toEqual([{ value: 12 }]);
});

test('a symbol that is none is refused with a reason', async () => {
  for (const symbol of ['stock: 7', '', null, 'a:', 'x'.repeat(65)]) {
    expect(await refusalOf(db().sql`select push.record_quote(${symbol}, 1)`)).toMatchObject({
      sqlstate: 'PT400',
      code: 'symbol_malformed',
    });
  }
});

test('the transaction that commits last sets the value, whenever it began', async () => {
  const { sql, url } = db();
  await setStock(12);
  await withSessions(url, 1, async (...[session]) => {
    const own = session?.sql as typeof sql;
    await own`begin`;
    await own`select now()`;
    await sql`update public.products set stock = 11`;
    await own`update public.products set stock = stock - 3`;
    await own`commit`;
  });
  const [row] = await sql`select q.value, p.stock from public.push_quotes as q, public.products as p`;
  expect(row).toEqual({ value: 8, stock: 8 });
});

test('what a trigger says holds until the next word, however long nothing changes', async () => {
  const { sql } = db();
  const lastWeek = new Date(Date.now() - 7 * 86_400_000);
  await sql`select push.record_quote('stock:SKU-7', 12, ${lastWeek})`;
  const alert = await lowStock();
  expect(await readAlert(sql, alert)).toMatchObject({ armed: true, last_side: 'above' });
  await setStock(9);
  expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 1 });
});

test('what was held back is told when its hours begin, if a lasting value still says so', async () => {
  const { sql } = db();
  const [evening, morning] = [new Date('2040-06-04T22:00:00Z'), new Date('2040-06-05T08:00:00Z')];
  const hours = { active_from: '08:00', active_until: '20:00', timezone: 'UTC' };
  const alert = await makeAlert(sql, { symbol: 'stock:SKU-7', condition: 'below', threshold: 10, ...hours });
  await sql`select push.record_quote('stock:SKU-7', 12, ${evening})`;
  await sql`select push.record_quote('stock:SKU-7', 9, ${evening})`;
  expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 0, held_back: 1, held_until: morning });
  await sql`select push.tick_alerts(100, ${morning})`;
  expect(await readAlert(sql, alert)).toMatchObject({ times_fired: 1 });
});

test('a price that the service says after a lasting value is as fresh as it is', async () => {
  const { sql } = db();
  const earlier = new Date(Date.now() - 86_400_000);
  await sql`select push.record_quote('stock:SKU-7', 12, ${earlier})`;
  await recordQuotes(sql, [{ symbol: 'stock:SKU-7', value: 11 }], new Date(earlier.getTime() + 1000));
  expect(await readAlert(sql, await lowStock())).toMatchObject({ armed: false, last_side: null });
  const lasting = [{ symbol: 'stock:SKU-7', value: 11, lasting: true }];
  await recordQuotes(sql, lasting, new Date(earlier.getTime() + 2000));
  expect(await readAlert(sql, await lowStock())).toMatchObject({ armed: true, last_side: 'above' });
});

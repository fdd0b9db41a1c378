import { beforeEach, expect, test } from 'vitest';
import { asAnon, asUser } from '../../support/postgres.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useExample } from '../../support/use-example.ts';

const { db, users, heard } = useExample('stock', ['vera', 'willi']);

// 14 of SKU-7; Vera wants to know at 10, Willi at 3.
beforeEach(async () => {
  const { sql } = db();
  await sql`delete from public.push_alerts`;
  await sql`delete from public.products`;
  await sql`delete from public.push_quotes`;
  await sql`insert into public.products (sku, name, stock) values ('SKU-7', 'Tea', 14)`;
  await watch(users().vera, 10);
  await watch(users().willi, 3);
});

function watch(user: string, below: number, sku = 'SKU-7'): Promise<unknown> {
  return asUser(db().sql, user, (t) => t`select public.watch_stock(${sku}, ${below})`);
}

async function stockIs(...course: number[]): Promise<void> {
  for (const stock of course) await db().sql`update public.products set stock = ${stock} where sku = 'SKU-7'`;
}

const low = (left: number, at: number) =>
  `📦 Tea is running low / ${left} left. You wanted to know at ${at}.`;

test('a user who watches a product is told at that number, once', async () => {
  await stockIs(11);
  expect(await heard()).toEqual({});
  await stockIs(10, 9, 10, 4);
  expect(await heard()).toEqual({ vera: [low(10, 10)] });
});

test('a large order passes both numbers, and each rings once', async () => {
  await stockIs(2, 1, 0);
  expect(await heard()).toEqual({ vera: [low(2, 10)], willi: [low(2, 3)] });
});

test('it rings again after more than 5 above, and not before', async () => {
  await stockIs(10, 15, 9);
  expect(await heard()).toEqual({ vera: [low(10, 10)] });
  await stockIs(16, 8);
  expect(await heard()).toEqual({ vera: [low(10, 10), low(8, 10)] });
});

test('a sale that is rolled back was never a value', async () => {
  const { sql } = db();
  await sql
    .begin(async (t) => {
      await t`update public.products set stock = 0`;
      throw new Error('refused');
    })
    .catch(() => {});
  expect(await heard()).toEqual({});
  await stockIs(13);
  expect(await sql`select value from public.push_quotes`).toEqual([{ value: 13 }]);
});

test('what leaves the stock as it is writes no value', async () => {
  const { sql } = db();
  const before = await sql`select quoted_at from public.push_quotes`;
  await sql`update public.products set name = 'Green tea', stock = stock`;
  expect(await sql`select quoted_at from public.push_quotes`).toEqual(before);
});

test('an alert on a product that has not moved for a day rings at the next sale', async () => {
  const { sql } = db();
  await sql`delete from public.push_alerts`;
  await sql`delete from public.push_quotes`;
  await sql`select push.record_quote('stock:SKU-7', 14, clock_timestamp() - interval '1 day')`;
  await watch(users().vera, 10);
  await stockIs(9);
  expect(await heard()).toEqual({ vera: [low(9, 10)] });
});

test('a new product can be watched, one that there is not cannot', async () => {
  await db().sql`insert into public.products (sku, name, stock) values ('SKU-8', 'Coffee', 5)`;
  await watch(users().willi, 4, 'SKU-8');
  await db().sql`update public.products set stock = 4 where sku = 'SKU-8'`;
  expect(await heard()).toEqual({
    willi: ['📦 Coffee is running low / 4 left. You wanted to know at 4.'],
  });
  expect((await refusalOf(watch(users().willi, 4, 'SKU-9'))).sqlstate).toBe('P0002');
});

test('users read the stock and do not change it, and a user has to sign in to watch it', async () => {
  const { sql } = db();
  const { vera, willi } = users();
  expect(await asUser(sql, vera, (t) => t`select stock from public.products`)).toEqual([{ stock: 14 }]);
  const sale = asUser(sql, vera, (t) => t`update public.products set stock = 0`);
  expect((await refusalOf(sale)).sqlstate).toBe('42501');
  const said = asUser(sql, vera, (t) => t`select push.record_quote('stock:SKU-7', 0)`);
  expect((await refusalOf(said)).sqlstate).toBe('42501');
  const watched = asAnon(sql, (t) => t`select public.watch_stock('SKU-7', 4)`);
  expect((await refusalOf(watched)).sqlstate).toBe('42501');
  const seen = await asUser(sql, willi, (t) => t`select user_id from public.push_alerts`);
  expect(seen).toEqual([{ user_id: willi }]);
  expect(await heard()).toEqual({});
});

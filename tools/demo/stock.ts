import type { SupabaseClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import type { Stack } from '../local/stack.ts';
import { applyExample } from './apply-example.ts';
import { type DemoTable, must } from './demo-user.ts';
import type { Narrator } from './narrator.ts';
import { gather, type Person } from './phones.ts';

interface Tables {
  products: DemoTable<{ sku: string; stock: number }, { sku: string; name: string }>;
}

/** `examples/stock`: a buyer who orders in time, a buyer who is told when it is nearly too late, and customers. */
export async function actStock(stack: Stack, narrator: Narrator): Promise<void> {
  const { chapter, say, check } = narrator;
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  const setStock = (stock: number) => sql`update public.products set stock = ${stock} where sku = 'SKU-7'`;
  const low = (left: number, at: number) => ({
    title: '📦 Tea is running low',
    body: `${left} left. You wanted to know at ${at}.`,
  });
  try {
    chapter('1. Vera looks after the warehouse, Willi after the shop');
    await applyExample(stack.databaseUrl, 'stock');
    say(
      'applied examples/stock: a table, a trigger that calls push.record_quote(), a function to watch a product',
    );
    const cast = await gather<'Vera' | 'Willi', Tables>(stack, sql, narrator, ['Vera', 'Willi']);
    const { vera, willi } = cast.people;
    await sql`insert into public.products (sku, name, stock) values ('SKU-7', 'Tea', 14)`;
    await watch(vera, 10);
    await watch(willi, 3);
    say('there are 14 of SKU-7; Vera wants to know at 10, Willi at 3');
    const sale = await vera.client.from('products').update({ stock: 0 }).eq('sku', 'SKU-7');
    check(sale.error?.code === '42501', 'Vera cannot change the stock herself: the server does');

    chapter('2. Customers buy');
    await setStock(11);
    say('11 are left');
    await cast.expectOnPhones({});
    await setStock(9);
    say('9 are left');
    await cast.expectOnPhones({ Vera: low(9, 10) });
    await setStock(12);
    await setStock(8);
    say('a parcel comes back, 12; it is sold again, 8. To ring again it must have been more than 5 above 10');
    await cast.expectOnPhones({});

    chapter('3. An order that does not go through');
    await sql
      .begin(async (t) => {
        await t`update public.products set stock = 1 where sku = 'SKU-7'`;
        throw new Error('The card was refused.');
      })
      .catch(() => say('7 were ordered, and the card was refused: the transaction is rolled back'));
    await cast.expectOnPhones({});

    chapter('4. A delivery, and then one large order');
    await setStock(40);
    say('40 are there');
    await cast.expectOnPhones({});
    await setStock(2);
    say('38 are sold at once: past both numbers');
    await cast.expectOnPhones({ Vera: low(2, 10), Willi: low(2, 3) });

    chapter('5. How their alerts stand');
    for (const { name, client } of [vera, willi]) {
      const alert = await must(
        client.from('push_alerts').select('symbol, threshold, times_fired, armed').single(),
      );
      say(
        `${name}: ${alert.symbol} at ${alert.threshold}, fired ${alert.times_fired}, ${alert.armed ? '' : 'not '}armed`,
      );
      check(
        alert.times_fired === (name === 'Vera' ? 2 : 1) && !alert.armed,
        `${name}'s fired as often as the phone rang, and waits for the next delivery`,
      );
    }
  } finally {
    await sql.end();
  }
}

async function watch({ client }: Person<Tables>, below: number): Promise<void> {
  // The types of the project's own functions would come from `supabase gen types`.
  await must((client as unknown as SupabaseClient).rpc('watch_stock', { p_sku: 'SKU-7', p_below: below }));
}

import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { eventually } from '../../support/eventually.ts';
import { createRecipients, deliveryStates } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

let stack: Stack;
let sql: postgres.Sql;

beforeAll(async () => {
  stack = await startMigratedStack();
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  // pg_net takes its requests off the queue before it sends them: every ring is counted where it is made.
  const admin = postgres(stack.superuserDatabaseUrl, { max: 1, onnotice: () => {} });
  await admin.unsafe(`
    create table public.rings (dispatcher uuid);
    create function public.count_ring() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.rings values ((convert_from(new.body, 'utf8')::jsonb ->> 'dispatcher')::uuid);
      return null;
    end $$;
    create trigger count_ring after insert on net.http_request_queue
      for each row execute function public.count_ring();
    grant select, delete on public.rings to postgres;
  `);
  await admin.end();
});

afterAll(async () => {
  await sql?.end();
  await stack?.stop();
});

test('one commit that notifies 10,000 rows rings the bell at most 3 times, and all are delivered', async () => {
  const recipients = await createRecipients(sql, stack.pushService, 100);
  await sql`create table public.orders (id int primary key, owner_id uuid not null)`;
  await sql`select push.watch('order_made', 'public.orders', 'new.owner_id', $$ 'Order ' || new.id $$)`;
  const owners = recipients.map((recipient) => recipient.userId);
  await sql`
    insert into public.orders
    select n, (${owners}::uuid[])[1 + n % 100] from generate_series(1, 10000) as n`;

  await eventually(
    () => deliveryStates(sql),
    (states) => states.sent === 10_000,
    120_000,
  );
  for (const { device } of recipients) {
    const titles = device.messages.map(
      (message) => (message.json as { notification: { title: string } }).notification.title,
    );
    expect(new Set(titles).size).toBe(100);
    expect(titles).toHaveLength(100);
  }
  const [rings] = await sql`select count(*)::int as count from public.rings`;
  expect(rings?.count).toBeGreaterThan(0);
  expect(rings?.count).toBeLessThanOrEqual(3);
}, 180_000);

test('a burst of 1,000 commits costs a handful of requests', async () => {
  // The dispatcher of the test before lingers; it would serve this burst without a single ring.
  await eventually(
    () => sql`select from push.dispatchers`,
    (rows) => rows.length === 0,
  );
  await sql`delete from public.rings`;
  const [{ userId, device }] = await createRecipients(sql, stack.pushService, 1);
  const connections = await Promise.all(
    Array.from({ length: 5 }, () => postgres(stack.databaseUrl, { max: 1 })),
  );
  await Promise.all(
    connections.map(async (connection, lane) => {
      for (let n = 0; n < 200; n++)
        await connection`select push.notify(${userId}::uuid, ${`Message ${lane}-${n}`})`;
      await connection.end();
    }),
  );
  await device.waitForMessages(1000, { timeoutMs: 60_000 });
  const [rings] = await sql`select count(*)::int as count from public.rings`;
  expect(rings?.count).toBeGreaterThan(0);
  // Each of the five connections may ring once before the first dispatcher is known; after that it is seen at work.
  expect(rings?.count).toBeLessThanOrEqual(10);
});

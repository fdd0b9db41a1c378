import { createClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../../src/server/database/types.generated.ts';
import type { Stack } from '../../../tools/local/stack.ts';
import { openAlarms } from '../../support/bell.ts';
import { eventually } from '../../support/eventually.ts';
import { notify } from '../../support/queue.ts';
import { createRecipients, deliveryStates, type Recipient } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

const DEVICES = 20;
const ORIGINAL = 'https://abcdefghijklmnopqrst.supabase.co';

let stack: Stack;
let sql: postgres.Sql;
let recipients: Recipient[];

beforeAll(async () => {
  // Without pg_cron: the tests tick by themselves.
  stack = await startMigratedStack({ workers: { cron: false } });
  sql = postgres(stack.databaseUrl, { onnotice: () => {} });
  recipients = await createRecipients(sql, stack.pushService, DEVICES);
  await sql`insert into public.push_categories (key, title) values ('alerts', 'Alerts')`;
  // pg_net takes its requests off the queue before it sends them: every ring is counted where it is made.
  const admin = postgres(stack.superuserDatabaseUrl, { max: 1, onnotice: () => {} });
  await admin.unsafe(`
    create table public.rings (id bigserial);
    create function public.count_ring() returns trigger language plpgsql security definer set search_path = '' as $$
    begin insert into public.rings default values; return null; end $$;
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

const untilAllAreGone = () =>
  eventually(
    () => sql`select from push.dispatchers`,
    (rows) => rows.length === 0,
  );

beforeEach(async () => {
  await untilAllAreGone();
  await sql`delete from public.push_notifications`;
  await sql`delete from public.rings`;
});

const service = () => createClient<Database>(stack.url, stack.secretKey);
const rings = async () => (await sql`select count(*)::int as count from public.rings`)[0]?.count;
/** Ticks every ten seconds for five minutes, by a clock of its own. */
async function tickForFiveMinutes(): Promise<void> {
  const start = Date.now();
  for (let seconds = 10; seconds <= 300; seconds += 10)
    await sql`select push.tick(${new Date(start + seconds * 1000)})`;
}
const notifyAll = async (title: string, category?: string) => {
  for (const { userId } of recipients)
    await notify(sql, userId, { title, ...(category !== undefined && { category }) });
};
const arrivals = (title: string) =>
  recipients.filter(({ device }) =>
    device.messages.some(
      ({ json }) => (json as { notification: { title: string } }).notification.title === title,
    ),
  ).length;
const untilAllHave = (title: string) =>
  eventually(
    () => arrivals(title),
    (count) => count === DEVICES,
  );

test('a paused project calls no function for five minutes of messages, and sends everything afterwards', async () => {
  const { data } = await service().rpc('push_pause', { p_reason: 'wrong prices' });
  expect(data).toMatchObject({ category: null, host: null, reason: 'wrong prices' });
  await notifyAll('Held');
  await tickForFiveMinutes();
  console.log(`paused: ${await rings()} rings, ${arrivals('Held')} arrivals`);
  expect([await rings(), arrivals('Held')]).toEqual([0, 0]);
  expect(await deliveryStates(sql)).toEqual({ queued: DEVICES });

  const { error } = await service().rpc('push_resume', {});
  expect(error).toBeNull();
  await untilAllHave('Held');
  expect(await rings()).toBeLessThanOrEqual(2);
});

test('a pause that comes while a dispatcher is at work lets it go home', async () => {
  const [first] = recipients;
  await notify(sql, (first as Recipient).userId, { title: 'First' });
  await (first as Recipient).device.waitForMessages(1);
  await sql`select push.pause('wrong prices')`;
  await notifyAll('Stopped');
  await untilAllAreGone();
  expect(arrivals('Stopped')).toBe(0);
  await sql`select push.resume()`;
  await untilAllHave('Stopped');
});

test('a paused category waits while the others go on; what is too old by then is discarded', async () => {
  await service().rpc('push_pause', { p_reason: 'wrong prices', p_category: 'alerts' });
  await notifyAll('Old price', 'alerts:DAX');
  await sql`update push.queue set parked_due_at = parked_due_at - interval '20 minutes'`;
  await notifyAll('New price', 'alerts:DAX');
  await notifyAll('Something else', 'feed');
  await untilAllHave('Something else');
  await untilAllAreGone();
  await sql`delete from public.rings`;
  await tickForFiveMinutes();
  expect([await rings(), arrivals('Old price'), arrivals('New price')]).toEqual([0, 0, 0]);

  const { data } = await service().rpc('push_resume', {
    p_category: 'alerts',
    p_discard_older_than: '10 minutes',
  });
  expect(data).toMatchObject({ category: 'alerts', discarded: DEVICES });
  await untilAllHave('New price');
  await untilAllAreGone();
  expect(arrivals('Old price')).toBe(0);
  expect(await deliveryStates(sql)).toEqual({ sent: 2 * DEVICES, cancelled: DEVICES });
});

test('a copy of another project sends nothing, asks once, and says so; adopted, it sends', async () => {
  // As a restore leaves it: the row says of which project it is, and this one's function goes by another name.
  await sql`update push.project set function_url = ${ORIGINAL}`;
  await notifyAll('Copied');
  await eventually(
    () => openAlarms(sql),
    (codes) => codes.includes('copied_project'),
  );
  await untilAllAreGone();
  await notifyAll('Copied');
  for (let n = 0; n < 30; n++) await sql`select push.tick()`;
  console.log(`copied: ${await rings()} rings, ${arrivals('Copied')} arrivals`);
  expect(await rings()).toBe(1);
  expect(arrivals('Copied')).toBe(0);
  const health = await fetch(`${stack.url}/functions/v1/push-health`, {
    headers: { apikey: stack.secretKey },
  });
  expect(health.status).toBe(503);
  expect(JSON.stringify(await health.json())).toContain('copied_project');

  await sql`select push.adopt()`;
  await untilAllHave('Copied');
  expect(await openAlarms(sql)).toEqual([]);
});

test('a database that was connected as another project is held without asking a push service', async () => {
  await sql`update push.project set url = ${ORIGINAL}`;
  await notifyAll('Moved');
  await tickForFiveMinutes();
  expect([await rings(), arrivals('Moved')]).toEqual([0, 0]);
  await sql`select push.adopt()`;
  await untilAllHave('Moved');
});

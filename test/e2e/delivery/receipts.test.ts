import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { VirtualDevice } from '../../../tools/local/push-service/push-service.ts';
import { eventually } from '../../support/eventually.ts';
import { tell } from '../../support/push-events.ts';
import { closeCircuits, pauseHosts } from '../../support/queue.ts';
import { useStack } from '../../support/stack.ts';
import { readProgress } from '../../support/topics.ts';

const stack = useStack();

let sql: postgres.Sql;
let anna: SupabaseClient;
let laptop: VirtualDevice;
let phone: VirtualDevice;
beforeAll(async () => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
  anna = createClient(stack().url, stack().publishableKey, { auth: { persistSession: false } });
  const { error } = await anna.auth.signUp({ email: 'anna@example.com', password: 'correct horse' });
  if (error) throw error;
  [laptop, phone] = await Promise.all([register(), register()]);
});
afterAll(() => sql?.end());

async function register(): Promise<VirtualDevice> {
  const device = stack().pushService.createDevice({ applicationServerKey: stack().vapidPublicKey });
  const { error } = await anna.from('push_subscriptions').insert({
    endpoint: device.endpoint,
    ...device.subscription.keys,
  });
  if (error) throw error;
  return device;
}

async function notify(title: string, url: string | null = null): Promise<string> {
  const { data } = await anna.auth.getUser();
  const [row] = await sql<{ id: string }[]>`
    select push.notify(${data.user?.id ?? null}::uuid, ${title}, p_url => ${url}) as id`;
  return (row as { id: string }).id;
}

interface Shown {
  title: string;
  navigate: string;
  data: { supapush: { notification_id: string; receipt: string } };
}

const show = async (device: VirtualDevice): Promise<Shown> =>
  ((await device.next()).json as { notification: Shown }).notification;

test('what devices say with the token of their push is counted, and what was clicked is read', async () => {
  const id = await notify('Acme is won');
  const [onLaptop, onPhone] = await Promise.all([show(laptop), show(phone)]);
  expect([onLaptop.data.supapush.notification_id, onPhone.data.supapush.notification_id]).toEqual([id, id]);
  const [first, second] = [onLaptop.data.supapush.receipt, onPhone.data.supapush.receipt];
  expect(first).not.toBe(second);

  const at = new Date().toISOString();
  const displayed = [first, second].map((receipt) => ({ receipt, event: 'displayed', at }));
  expect((await tell(stack(), { receipts: displayed })).body).toEqual({
    accepted: 2,
    repeated: 0,
    refused: 0,
  });
  expect((await anna.rpc('push_unread_count')).data).toBe(1);
  await tell(stack(), { receipts: [{ receipt: first, event: 'clicked', at }] });
  await tell(stack(), { receipts: [{ receipt: second, event: 'dismissed', at }] });
  expect((await anna.rpc('push_unread_count')).data).toBe(0);

  const progress = await eventually(
    () => readProgress(sql, id),
    ({ sent }) => sent === 2,
  );
  expect(progress).toMatchObject({ total: 2, displayed: 2, clicked: 1, dismissed: 1, acted: 0 });
  const service = createClient(stack().url, stack().secretKey, { auth: { persistSession: false } });
  const { data } = await service.rpc('push_progress', { p_notification_id: id }).single();
  expect(data).toMatchObject({ displayed: 2, clicked: 1 });
});

test('a path is a whole URL on the device once the project says where its app is', async () => {
  await notify('A path', '/deals/7');
  expect((await show(laptop)).navigate).toBe('/deals/7');
  await sql`update push.settings set app_url = 'https://app.example.com'`;
  await notify('A URL', '/deals/7');
  expect((await show(laptop)).navigate).toBe('https://app.example.com/deals/7');
  await sql`update push.settings set app_url = null`;
  await Promise.all([show(phone), show(phone)]);
});

test('a device that got another subscription while it was offline gets what waits, and the next push', async () => {
  // A report of what was accepted before would end the pause.
  await eventually(
    () => sql`select from push.deliveries where state in ('queued', 'sending')`,
    (rows) => rows.length === 0,
  );
  await pauseHosts(sql, new Date(Date.now() + 3_600_000));
  const id = await notify('Meanwhile');
  const renewed = stack().pushService.createDevice({ applicationServerKey: stack().vapidPublicKey });
  const subscription = (device: VirtualDevice) => ({
    endpoint: device.endpoint,
    ...device.subscription.keys,
  });
  const said = await tell(stack(), {
    resubscribe: {
      old: subscription(phone),
      new: { ...subscription(renewed), vapid_key: stack().vapidPublicKey },
    },
  });
  expect(said.status).toBe(200);
  phone.remove();
  await closeCircuits(sql);
  await sql`select push.wake()`;
  expect((await show(renewed)).title).toBe('Meanwhile');
  await notify('Next');
  expect((await show(renewed)).title).toBe('Next');
  const progress = await eventually(
    () => readProgress(sql, id),
    ({ sent }) => sent === 2,
  );
  expect(progress).toMatchObject({ gone: 0, failed: 0 });

  expect((await tell(stack(), { release: subscription(renewed) })).body).toEqual({ released: true });
  const { data } = await anna.from('push_subscriptions').select('id');
  expect(data).toHaveLength(1);
});

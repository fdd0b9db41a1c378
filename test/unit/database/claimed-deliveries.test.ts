import { expect, test } from 'vitest';
import { createDeliveryQueue } from '../../../src/database/delivery-queue.ts';

const MESSAGE = {
  delivery_id: 7,
  attempt: 1,
  notification_id: '0b1f6a52-0000-4000-8000-000000000001',
  title: 'Hello',
  body: null,
  url: null,
  params: {},
  category: null,
  urgency: 'normal',
  topic: null,
  tag: null,
  ttl: 60,
};
const NOTHING = { endpoint: null, p256dh: null, auth: null, vapid_key: null, fcm_token: null };
const BROWSER = {
  ...NOTHING,
  endpoint: 'https://push.example.com/x',
  p256dh: 'p',
  auth: 'a',
  vapid_key: 'v',
};

/** What the queue makes of a row that push_claim answers. */
async function claimed(row: Record<string, unknown>) {
  const client = { rpc: async () => ({ data: [{ ...MESSAGE, host: 'https://h', ...row }], error: null }) };
  return (await createDeliveryQueue(client as never).claim('dispatcher', 1, []))[0];
}

test('a row of each channel has the target of that channel', async () => {
  expect(await claimed({ channel: 'webpush', ...BROWSER })).toMatchObject({
    deliveryId: 7,
    host: 'https://h',
    target: { channel: 'webpush', endpoint: BROWSER.endpoint, p256dh: 'p', auth: 'a', vapidKey: 'v' },
  });
  expect((await claimed({ channel: 'fcm', ...NOTHING, fcm_token: 't' }))?.target).toEqual({
    channel: 'fcm',
    token: 't',
  });
});

test.each([
  ['a browser without keys', { channel: 'webpush', ...BROWSER, p256dh: null }],
  ['an app without a token', { channel: 'fcm', ...NOTHING }],
  ['a channel that this function does not know', { channel: 'pigeon', ...BROWSER }],
])('%s is no delivery', async (_what, row) => {
  await expect(claimed(row)).rejects.toMatchObject({ code: 'queue_answer_malformed' });
});

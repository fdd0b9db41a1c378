import { expect, test } from 'vitest';
import { createDeliveryQueue } from '../../../src/server/database/delivery-queue.ts';

const PROJECT = 'https://abcdefghijklmnopqrst.supabase.co';

const MESSAGE = {
  delivery_id: 7,
  claim_number: 1,
  notification_id: '0b1f6a52-0000-4000-8000-000000000001',
  user_id: '0b1f6a52-0000-4000-8000-000000000002',
  title: 'Hello',
  body: null,
  url: null,
  params: {},
  category: null,
  urgency: 'normal',
  collapse_key: null,
  tag: null,
  presentation: null,
  ttl: 60,
  position: null,
  app_url: null,
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
  return (await claim([{ ...MESSAGE, host: 'https://h', ...row }])).deliveries[0];
}

function claim(rows: unknown) {
  return claimAnswered({ protocol: 1, deliveries: rows });
}

function claimAnswered(data: unknown) {
  const client = { rpc: async () => ({ data, error: null }) };
  return createDeliveryQueue(client as never, PROJECT).claim('dispatcher', 10, { hosts: [], users: [] });
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
  ['a message with an urgency of its own', { channel: 'webpush', ...BROWSER, urgency: 'extreme' }],
])('%s is no delivery, and takes no other with it', async (_what, row) => {
  const good = { ...MESSAGE, host: 'https://h', channel: 'webpush', ...BROWSER };
  const { deliveries, unreadable } = await claim([
    { ...good, delivery_id: 1 },
    { ...good, claim_number: 3, ...row },
    { ...good, delivery_id: 2 },
  ]);
  expect(deliveries.map(({ deliveryId }) => deliveryId)).toEqual([1, 2]);
  expect(unreadable).toEqual([
    {
      deliveryId: 7,
      claimNumber: 3,
      outcome: expect.objectContaining({ outcome: 'retry', status: null, code: 'delivery_unreadable' }),
    },
  ]);
});

test.each([
  ['something else', { message: 'hello' }],
  ['a list, as before protocol 1', []],
  ['of another protocol', { protocol: 2, deliveries: [] }],
  [
    'a row that cannot be reported',
    {
      protocol: 1,
      deliveries: [{ ...MESSAGE, ...BROWSER, channel: 'webpush', host: 'https://h', claim_number: null }],
    },
  ],
])('an answer that is %s is none', async (_what, data) => {
  await expect(claimAnswered(data)).rejects.toMatchObject({ code: 'queue_answer_malformed' });
});

test('what is said of a row that cannot be read can be stored, and quotes nothing of it', async () => {
  const { unreadable } = await claim([
    { ...MESSAGE, channel: 'webpush', ...BROWSER, host: 'https://h', urgency: 'a secret', params: 'another' },
  ]);
  expect(JSON.stringify(unreadable)).toMatch(/urgency/);
  expect(JSON.stringify(unreadable)).not.toMatch(/secret|another|push\.example/);
});

test('a presentation has the names of TypeScript', async () => {
  const actions = [
    { action: 'open', title: 'Open', url: '/' },
    { action: 'later', title: 'Later' },
  ];
  const stored = { icon: '/i.png', require_interaction: true, vibrate: [1, 2], actions };
  const row = { channel: 'fcm', ...NOTHING, fcm_token: 't', presentation: stored };
  expect((await claimed(row))?.content.presentation).toEqual({
    icon: '/i.png',
    requireInteraction: true,
    vibrate: [1, 2],
    actions,
  });
  expect((await claimed({ ...row, presentation: null }))?.content.presentation).toBeNull();
});

test('a claim says which project the function is of, by its origin alone, and what it speaks', async () => {
  const asked: unknown[] = [];
  const client = {
    rpc: async (_: string, parameters: unknown) => {
      asked.push(parameters);
      return { data: { protocol: 1, deliveries: [] }, error: null };
    },
  };
  const busy = { hosts: ['h'], users: ['u'], rooms: { h2: 3 }, paces: { h2: 1.5 } };
  await createDeliveryQueue(client as never, `${PROJECT}/`).claim('d', 10, busy);
  expect(asked).toEqual([
    {
      p_dispatcher: 'd',
      p_limit: 10,
      p_busy_hosts: ['h'],
      p_busy_users: ['u'],
      p_project: PROJECT,
      p_protocol: 1,
      p_rooms: { h2: 3 },
      p_paces: { h2: 1.5 },
    },
  ]);
});

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { fcmMessage, payloadBytes } from '../../../../src/channels/fcm/fcm-message.ts';
import { appDelivery } from './app-delivery.ts';

const NOW = 1_800_000_000_500;

test('a notification with everything becomes a message for Android and Apple', async () => {
  const delivery = appDelivery({
    token: 'device-token',
    urgency: 'high',
    content: {
      body: 'It was new.',
      url: '/deals/7',
      params: { deal: 7, from: 'new', nested: { a: [1, null] } },
      category: 'deals:won',
      topic: 'deal-7',
    },
  });
  expect(await fcmMessage(delivery, NOW)).toEqual({
    token: 'device-token',
    notification: { title: 'Acme is won', body: 'It was new.' },
    data: {
      notification_id: '0b1f6a52-0000-4000-8000-000000000001',
      url: '/deals/7',
      category: 'deals:won',
      params: '{"deal":7,"from":"new","nested":{"a":[1,null]}}',
    },
    android: {
      priority: 'HIGH',
      ttl: '600s',
      collapse_key: 'deal-7',
      notification: { notification_priority: 'PRIORITY_HIGH', tag: 'deal-7' },
    },
    apns: {
      headers: { 'apns-priority': '10', 'apns-expiration': '1800000600', 'apns-collapse-id': 'deal-7' },
      payload: { aps: { 'mutable-content': 1 } },
    },
  });
});

test('what a notification does not have, its message does not name', async () => {
  const message = await fcmMessage(appDelivery(), NOW);
  expect(message.notification).toEqual({ title: 'Acme is won' });
  expect(message.data).toEqual({ notification_id: '0b1f6a52-0000-4000-8000-000000000001' });
  expect(message.android).not.toHaveProperty('collapse_key');
  const tag = '0b1f6a52-0000-4000-8000-000000000001';
  expect(message.android.notification).toEqual({ notification_priority: 'PRIORITY_DEFAULT', tag });
  expect(message.apns.headers['apns-collapse-id']).toBe(tag);
});

const hash = (text: string) => createHash('sha256').update(text).digest('base64url');

test.each([
  ['neither', {}, '0b1f6a52-0000-4000-8000-000000000001', '0b1f6a52-0000-4000-8000-000000000001'],
  ['a topic', { topic: 'deals' }, 'deals', 'deals'],
  ['a tag', { tag: 'deal:7' }, 'deal:7', hash('deal:7')],
  ['both', { tag: 'deal:7', topic: 'deals' }, 'deal:7', hash('deal:7')],
  ['a tag of 100 bytes', { tag: 'ü'.repeat(50) }, 'ü'.repeat(50), hash('ü'.repeat(50))],
])(
  'with %s, what is shown is replaced by it; what waits at FCM, by a topic alone',
  async (_, content, tag, id) => {
    const { android, apns } = await fcmMessage(appDelivery({ content }), NOW);
    expect(android.notification.tag).toBe(tag);
    expect(apns.headers['apns-collapse-id']).toBe(id);
    expect(Buffer.byteLength(id)).toBeLessThanOrEqual(64);
    expect(android.collapse_key).toBe('topic' in content ? content.topic : undefined);
  },
);

test.each([
  ['very-low', 'NORMAL', 'PRIORITY_MIN', '5'],
  ['low', 'NORMAL', 'PRIORITY_LOW', '5'],
  ['normal', 'HIGH', 'PRIORITY_DEFAULT', '10'],
  ['high', 'HIGH', 'PRIORITY_HIGH', '10'],
] as const)('urgency %s is %s and %s on Android, %s on Apple', async (urgency, priority, shown, apns) => {
  const message = await fcmMessage(appDelivery({ urgency }), NOW);
  expect(message.android).toMatchObject({ priority, notification: { notification_priority: shown } });
  expect(message.apns.headers['apns-priority']).toBe(apns);
});

test.each([
  [0, '0s', '0'],
  [1, '1s', '1800000001'],
  [2_419_200, '2419200s', '1802419200'],
])('a TTL of %i is %s on Android and ends at %s on Apple', async (ttl, android, apns) => {
  const message = await fcmMessage(appDelivery({ ttl }), NOW);
  expect(message.android.ttl).toBe(android);
  expect(message.apns.headers['apns-expiration']).toBe(apns);
});

test('every value of data is text, whatever the params hold', async () => {
  const params = { n: 1, yes: true, none: null, list: [1], 'google.x': 'reserved', gcm: { a: 'ü' } };
  const { data } = await fcmMessage(appDelivery({ content: { params } }), NOW);
  expect(Object.values(data).every((value) => typeof value === 'string')).toBe(true);
  expect(Object.keys(data)).toEqual(['notification_id', 'params']);
  expect(JSON.parse(data.params ?? '')).toEqual(params);
});

test('the size counts names and values of notification and data in bytes', async () => {
  const bare = payloadBytes(await fcmMessage(appDelivery({ content: { title: 'x' } }), NOW));
  expect(bare).toBe('titlex'.length + 'notification_id'.length + 36);
  const more = payloadBytes(await fcmMessage(appDelivery({ content: { title: 'x', body: 'ü€😀' } }), NOW));
  expect(more - bare).toBe('body'.length + 2 + 3 + 4);
});

test('of the presentation, apps get what Android and Apple have a counterpart for', async () => {
  const actions = [{ action: 'open', title: 'Open', url: '/deals/7' }];
  const message = await fcmMessage(
    appDelivery({
      content: { presentation: { image: 'https://cdn.example/i.jpg', actions, vibrate: [200, 1500] } },
    }),
    NOW,
  );
  expect(message.notification).toEqual({ title: 'Acme is won', image: 'https://cdn.example/i.jpg' });
  expect(JSON.parse(message.data.actions ?? '')).toEqual(actions);
  expect(message.android.notification.vibrate_timings).toEqual(['0s', '0.2s', '1.5s']);
  expect(message.apns.payload.aps).toEqual({ 'mutable-content': 1 });
});

test.each([
  ['very-low', 'PRIORITY_MIN'],
  ['low', 'PRIORITY_LOW'],
  ['normal', 'PRIORITY_LOW'],
  ['high', 'PRIORITY_LOW'],
] as const)('what is silent makes no sound, at urgency %s', async (urgency, shown) => {
  const message = await fcmMessage(
    appDelivery({ urgency, content: { presentation: { silent: true } } }),
    NOW,
  );
  expect(message.android.notification.notification_priority).toBe(shown);
  expect(message.apns.payload.aps).toEqual({ 'mutable-content': 1, 'interruption-level': 'passive' });
});

test('an image of the website is none to an app', async () => {
  const message = await fcmMessage(appDelivery({ content: { presentation: { image: '/i.jpg' } } }), NOW);
  expect(message.notification).not.toHaveProperty('image');
});

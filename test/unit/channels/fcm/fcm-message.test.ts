import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { fcmMessage, payloadBytes } from '../../../../src/server/channels/fcm/fcm-message.ts';
import { appDelivery } from './app-delivery.ts';

const NOW = 1_800_000_000_500;
const RECEIPT = '1.abcdefghijklmnopqrstuv';

test('a user who wants no receipts gets a message without a token', async () => {
  const { data } = await fcmMessage(appDelivery(), '', 0);
  expect(Object.keys(data)).not.toContain('receipt');
});

test('a notification with everything becomes a message for Android and Apple', async () => {
  const delivery = appDelivery({
    token: 'device-token',
    urgency: 'high',
    content: {
      body: 'It was new.',
      url: '/deals/7',
      params: { deal: 7, from: 'new', nested: { a: [1, null] } },
      category: 'deals:won',
      collapseKey: 'deal-7',
    },
  });
  expect(await fcmMessage(delivery, RECEIPT, NOW)).toEqual({
    token: 'device-token',
    notification: { title: 'Acme is won', body: 'It was new.' },
    data: {
      notification_id: '0b1f6a52-0000-4000-8000-000000000001',
      receipt: RECEIPT,
      url: '/deals/7',
      category: 'deals:won',
      params: '{"deal":7,"from":"new","nested":{"a":[1,null]}}',
    },
    android: {
      priority: 'HIGH',
      ttl: '600s',
      collapse_key: 'deal-7',
      notification: {
        notification_priority: 'PRIORITY_HIGH',
        tag: 'deal-7',
        channel_id: 'deals',
        sound: 'default',
      },
    },
    apns: {
      headers: { 'apns-priority': '10', 'apns-expiration': '1800000600', 'apns-collapse-id': 'deal-7' },
      payload: { aps: { 'mutable-content': 1, sound: 'default' } },
    },
  });
});

test('what a notification does not have, its message does not name', async () => {
  const message = await fcmMessage(appDelivery(), RECEIPT, NOW);
  expect(message.notification).toEqual({ title: 'Acme is won' });
  expect(message.data).toEqual({
    notification_id: '0b1f6a52-0000-4000-8000-000000000001',
    receipt: RECEIPT,
  });
  expect(message.android).not.toHaveProperty('collapse_key');
  const tag = '0b1f6a52-0000-4000-8000-000000000001';
  expect(message.android.notification).toEqual({
    notification_priority: 'PRIORITY_DEFAULT',
    tag,
    sound: 'default',
  });
  expect(message.apns.headers['apns-collapse-id']).toBe(tag);
});

const hash = (text: string) => createHash('sha256').update(text).digest('base64url');

test.each([
  ['neither', {}, '0b1f6a52-0000-4000-8000-000000000001', '0b1f6a52-0000-4000-8000-000000000001'],
  ['a collapse key', { collapseKey: 'deals' }, 'deals', 'deals'],
  ['a tag', { tag: 'deal:7' }, 'deal:7', hash('deal:7')],
  ['both', { tag: 'deal:7', collapseKey: 'deals' }, 'deal:7', hash('deal:7')],
  ['a tag of 100 bytes', { tag: 'ü'.repeat(50) }, 'ü'.repeat(50), hash('ü'.repeat(50))],
])(
  'with %s, what is shown is replaced by it; what waits at FCM, by a collapse key alone',
  async (_, content, tag, id) => {
    const { android, apns } = await fcmMessage(appDelivery({ content }), RECEIPT, NOW);
    expect(android.notification.tag).toBe(tag);
    expect(apns.headers['apns-collapse-id']).toBe(id);
    expect(Buffer.byteLength(id)).toBeLessThanOrEqual(64);
    expect(android.collapse_key).toBe('collapseKey' in content ? content.collapseKey : undefined);
  },
);

test.each([
  ['very-low', 'NORMAL', 'PRIORITY_MIN', '5'],
  ['low', 'NORMAL', 'PRIORITY_LOW', '5'],
  ['normal', 'HIGH', 'PRIORITY_DEFAULT', '10'],
  ['high', 'HIGH', 'PRIORITY_HIGH', '10'],
] as const)('urgency %s is %s and %s on Android, %s on Apple', async (urgency, priority, shown, apns) => {
  const message = await fcmMessage(appDelivery({ urgency }), RECEIPT, NOW);
  expect(message.android).toMatchObject({ priority, notification: { notification_priority: shown } });
  expect(message.apns.headers['apns-priority']).toBe(apns);
});

test.each([
  [0, '0s', '0'],
  [1, '1s', '1800000001'],
  [2_419_200, '2419200s', '1802419200'],
])('a TTL of %i is %s on Android and ends at %s on Apple', async (ttl, android, apns) => {
  const message = await fcmMessage(appDelivery({ ttl }), RECEIPT, NOW);
  expect(message.android.ttl).toBe(android);
  expect(message.apns.headers['apns-expiration']).toBe(apns);
});

test('every value of data is text, whatever the params hold', async () => {
  const params = { n: 1, yes: true, none: null, list: [1], 'google.x': 'reserved', gcm: { a: 'ü' } };
  const { data } = await fcmMessage(appDelivery({ content: { params } }), RECEIPT, NOW);
  expect(Object.values(data).every((value) => typeof value === 'string')).toBe(true);
  expect(Object.keys(data)).toEqual(['notification_id', 'receipt', 'params']);
  expect(JSON.parse(data.params ?? '')).toEqual(params);
});

test('the size counts names and values of notification and data in bytes', async () => {
  const bare = payloadBytes(await fcmMessage(appDelivery({ content: { title: 'x' } }), RECEIPT, NOW));
  expect(bare).toBe('titlex'.length + 'notification_id'.length + 36 + 'receipt'.length + RECEIPT.length);
  const more = payloadBytes(
    await fcmMessage(appDelivery({ content: { title: 'x', body: 'ü€😀' } }), RECEIPT, NOW),
  );
  expect(more - bare).toBe('body'.length + 2 + 3 + 4);
});

test('of the presentation, apps get what Android and Apple have a counterpart for', async () => {
  const actions = [{ action: 'open', title: 'Open', url: '/deals/7' }];
  const message = await fcmMessage(
    appDelivery({
      content: { presentation: { image: 'https://cdn.example/i.jpg', actions, vibrate: [200, 1500] } },
    }),
    RECEIPT,
    NOW,
  );
  expect(message.notification).toEqual({ title: 'Acme is won', image: 'https://cdn.example/i.jpg' });
  expect(JSON.parse(message.data.actions ?? '')).toEqual(actions);
  expect(message.android.notification.vibrate_timings).toEqual(['0s', '0.2s', '1.5s']);
  expect(message.apns.payload.aps).toEqual({ 'mutable-content': 1, sound: 'default' });
});

test('sound, badge, channel, thread and level are said once, and each has what it knows of them', async () => {
  const presentation = {
    sound: 'chime.caf',
    appBadge: 3,
    channel: 'trades',
    thread: 'deal:7',
    interruptionLevel: 'time-sensitive' as const,
  };
  const { android, apns } = await fcmMessage(appDelivery({ content: { presentation } }), RECEIPT, NOW);
  expect(android.notification).toMatchObject({
    channel_id: 'trades',
    sound: 'chime',
    notification_count: 3,
    notification_priority: 'PRIORITY_HIGH',
  });
  expect(apns.payload.aps).toEqual({
    'mutable-content': 1,
    sound: 'chime.caf',
    badge: 3,
    'thread-id': 'deal:7',
    'interruption-level': 'time-sensitive',
  });
});

test.each([
  ['passive', undefined, 'PRIORITY_LOW'],
  ['active', 'default', 'PRIORITY_DEFAULT'],
  ['time-sensitive', 'default', 'PRIORITY_HIGH'],
  ['critical', { critical: 1, name: 'default', volume: 1 }, 'PRIORITY_MAX'],
] as const)('level %s sounds like %o on Apple, and is %s on Android', async (level, sound, priority) => {
  const presentation = { interruptionLevel: level };
  const { android, apns } = await fcmMessage(appDelivery({ content: { presentation } }), RECEIPT, NOW);
  expect(apns.payload.aps.sound).toEqual(sound);
  expect(apns.payload.aps['interruption-level']).toBe(level);
  expect(android.notification.notification_priority).toBe(priority);
});

test('a badge of 0 takes the number away', async () => {
  const { apns } = await fcmMessage(
    appDelivery({ content: { presentation: { appBadge: 0 } } }),
    RECEIPT,
    NOW,
  );
  expect(apns.payload.aps.badge).toBe(0);
});

test.each([
  ['the part of the category that users mute', { category: 'alerts:DAX' }, 'alerts'],
  ['what the presentation says', { category: 'alerts:DAX', presentation: { channel: 'loud' } }, 'loud'],
  ['none without either', {}, undefined],
])('the channel of Android is %s', async (_, content, channel) => {
  const { android } = await fcmMessage(appDelivery({ content }), RECEIPT, NOW);
  expect(android.notification.channel_id).toBe(channel);
});

test.each([
  ['plain', 'x', 8000],
  ['of two bytes', 'ü', 4000],
  ['of four bytes', '😀', 2000],
  ['escaped', '\u0001', 8000],
])('a body that is %s is shortened until the message fits, and the data is not', async (_, piece, length) => {
  const params = { text: 'd'.repeat(2000) };
  const content = { title: 'T'.repeat(1000), body: piece.repeat(length), params };
  const message = await fcmMessage(appDelivery({ content }), RECEIPT, NOW);
  expect(payloadBytes(message)).toBeLessThanOrEqual(4096);
  expect(message.notification.title).toBe(content.title);
  expect(message.notification.body).toMatch(/…$/);
  expect(JSON.parse(message.data.params ?? '')).toEqual(params);
});

test('the title gives way where the body has little to give', async () => {
  const content = { title: 'T'.repeat(1000), body: 'B'.repeat(1000), params: { text: 'd'.repeat(3600) } };
  const message = await fcmMessage(appDelivery({ content }), RECEIPT, NOW);
  expect(payloadBytes(message)).toBeLessThanOrEqual(4096);
  expect(message.notification.body).toMatch(/^B+…$/);
  expect(message.notification.title).toMatch(/^T+…$/);
});

test.each([
  ['very-low', 'PRIORITY_MIN'],
  ['low', 'PRIORITY_LOW'],
  ['normal', 'PRIORITY_LOW'],
  ['high', 'PRIORITY_LOW'],
] as const)('what is silent makes no sound, at urgency %s', async (urgency, shown) => {
  const message = await fcmMessage(
    appDelivery({ urgency, content: { presentation: { silent: true } } }),
    RECEIPT,
    NOW,
  );
  expect(message.android.notification.notification_priority).toBe(shown);
  expect(message.apns.payload.aps).toEqual({ 'mutable-content': 1, 'interruption-level': 'passive' });
});

test('an image of the website is none to an app', async () => {
  const message = await fcmMessage(
    appDelivery({ content: { presentation: { image: '/i.jpg' } } }),
    RECEIPT,
    NOW,
  );
  expect(message.notification).not.toHaveProperty('image');
});

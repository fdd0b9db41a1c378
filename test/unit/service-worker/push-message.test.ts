import { expect, test } from 'vitest';
import { contentOf, isOurs, readMessage } from '../../../src/device/service-worker/push-message.ts';
import { encodePayload } from '../../../src/server/notification/payload.ts';

const DEFAULTS = { title: 'app.example' };
const read = (text: string) => readMessage(contentOf({ data: { text: () => text } }), DEFAULTS);

test('what the project sends is shown with all of its presentation', () => {
  const bytes = encodePayload(
    {
      notificationId: '8f3c',
      title: 'Acme is won',
      body: 'By Anna',
      url: '/deals/7',
      position: null,
      appUrl: null,
      params: { deal: 7 },
      category: 'deals',
      collapseKey: null,
      tag: 'deal:7',
      presentation: {
        icon: '/won.png',
        badge: '/badge.png',
        image: '/acme.jpg',
        actions: [
          { action: 'open', title: 'Open', icon: '/open.png', url: '/deals/7/open' },
          { action: 'later', title: 'Later' },
        ],
        requireInteraction: true,
        vibrate: [100, 50, 100],
        renotify: true,
      },
    },
    '7.mac',
  );
  expect(read(new TextDecoder().decode(bytes))).toEqual({
    title: 'Acme is won',
    options: {
      body: 'By Anna',
      icon: '/won.png',
      badge: '/badge.png',
      image: '/acme.jpg',
      tag: 'deal:7',
      requireInteraction: true,
      vibrate: [100, 50, 100],
      renotify: true,
      actions: [
        { action: 'open', title: 'Open', icon: '/open.png' },
        { action: 'later', title: 'Later' },
      ],
      data: {
        deal: 7,
        supapush: {
          notification_id: '8f3c',
          category: 'deals',
          receipt: '7.mac',
          navigate: '/deals/7',
          actions: { open: '/deals/7/open', later: '/deals/7' },
        },
      },
    },
  });
});

test('data that cannot be read is as good as none', () => {
  const data = {
    text: (): string => {
      throw new TypeError('gone');
    },
  };
  expect(readMessage(contentOf({ data }), DEFAULTS).title).toBe('app.example');
  expect(readMessage(contentOf({ data: null }), DEFAULTS).title).toBe('app.example');
});

test.each([
  ['{"notification":{"title":"Hi","data":{"supapush":{}}}}', true],
  ['{"title":"Hi","data":{"supapush":{"receipt":"1.a"}}}', true],
  ['{"notification":{"title":"Hi","data":{"supapush":true}}}', false],
  ['{"notification":{"title":"Hi","data":["supapush"]}}', false],
  ['{"notification":{"title":"Hi"},"data":{"supapush":{}}}', false],
  ['{"notification":{"title":"Hi"}}', false],
  ['supapush', false],
  ['', false],
])('%s is ours: %s', (text, ours) => {
  expect(isOurs(contentOf({ data: { text: () => text } }))).toBe(ours);
});

test.each([
  ['{"app_badge":3,"notification":{}}', 3],
  ['{"app_badge":0,"notification":{"app_badge":"5"}}', 0],
  ['{"notification":{"app_badge":"5"}}', 5],
  ['{"app_badge":-1}', undefined],
  ['{"app_badge":1.5}', undefined],
  ['{"app_badge":"many"}', undefined],
  ['{"app_badge":[3]}', undefined],
  ['{"app_badge":true}', undefined],
  ['{"app_badge":1e99}', undefined],
])('%s sets the badge to %s', (text, badge) => {
  expect(read(text).options.data.supapush.app_badge).toBe(badge);
});

test('names that objects have anyway do no harm', () => {
  const text = `{"notification":{"title":"Hi","actions":[{"action":"__proto__","title":"x","navigate":"/x"}],
    "data":{"__proto__":{"supapush":{"receipt":"1.a"}},"constructor":1}}}`;
  const { data } = read(text).options;
  expect(data.supapush.receipt).toBeUndefined();
  expect(Object.hasOwn(data.supapush.actions ?? {}, '__proto__')).toBe(true);
});

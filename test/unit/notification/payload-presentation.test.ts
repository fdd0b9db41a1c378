import { expect, test } from 'vitest';
import { encodePayload } from '../../../src/server/notification/payload.ts';
import { LONGEST_RECEIPT } from '../../support/receipts.ts';
import { content } from '../channels/delivery.ts';

const notification = (values: Parameters<typeof content>[0]): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(encodePayload(content(values), LONGEST_RECEIPT))).notification;

test('everything stands in the message under the names of the Notifications API', () => {
  const presentation = {
    icon: '/icon.png',
    badge: '/badge.png',
    image: 'https://cdn.example/image.jpg',
    requireInteraction: true,
    silent: false,
    vibrate: [200, 100],
    renotify: true,
  };
  expect(notification({ presentation, tag: 'deal:7' })).toMatchObject(presentation);
});

test('an action leads where it says, or where the notification does, or to the root: none may be without', () => {
  const actions = [
    { action: 'open', title: 'Open', url: '/deals/7/edit', icon: '/open.png' },
    { action: 'later', title: 'Later' },
  ];
  const open = { action: 'open', title: 'Open', icon: '/open.png', navigate: '/deals/7/edit' };
  expect(notification({ presentation: { actions }, url: '/deals/7' }).actions).toEqual([
    open,
    { action: 'later', title: 'Later', navigate: '/deals/7' },
  ]);
  expect(notification({ presentation: { actions } }).actions).toEqual([
    open,
    { action: 'later', title: 'Later', navigate: '/' },
  ]);
});

test('renotify needs a tag or a collapse key: with neither, a repeat of the message would ring', () => {
  expect(notification({ presentation: { renotify: true } })).not.toHaveProperty('renotify');
  expect(notification({ presentation: { renotify: true }, collapseKey: 'dax' })).toMatchObject({
    renotify: true,
  });
});

test('a presentation of nothing adds nothing', () => {
  expect(notification({ presentation: {} })).toEqual(notification({ presentation: null }));
});

test('the number on the icon stands beside the notification, as Declarative Web Push has it', () => {
  const message = (appBadge: number) =>
    JSON.parse(
      new TextDecoder().decode(encodePayload(content({ presentation: { appBadge } }), LONGEST_RECEIPT)),
    );
  expect(message(3)).toMatchObject({ app_badge: 3, notification: { title: expect.any(String) } });
  expect(message(0).app_badge).toBe(0);
  expect(message(3).notification).not.toHaveProperty('appBadge');
});

test('what only apps have does not travel to browsers', () => {
  const presentation = {
    sound: 'chime.caf',
    channel: 'trades',
    thread: 'deal:7',
    interruptionLevel: 'active' as const,
  };
  expect(notification({ presentation })).toEqual(notification({ presentation: null }));
});

test('what is passive is silent in browsers, unless it says more', () => {
  const interruptionLevel = 'passive' as const;
  expect(notification({ presentation: { interruptionLevel } })).toMatchObject({ silent: true });
  expect(notification({ presentation: { interruptionLevel, silent: false } })).toMatchObject({
    silent: false,
  });
  expect(notification({ presentation: { interruptionLevel, vibrate: [100] } })).not.toHaveProperty('silent');
});

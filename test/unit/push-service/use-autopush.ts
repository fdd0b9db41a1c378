import { afterEach, beforeEach } from 'vitest';
import { type PushService, startPushService } from '../../../tools/local/push-service/push-service.ts';
import { AutopushBrowser } from './autopush-browser.ts';
import { createClock, createVapidKeys, sendPush } from './sender.ts';

/** A push service of its own for each test of the file, and browsers that are closed with it. */
export function useAutopush() {
  const vapidKeys = createVapidKeys();
  const clock = createClock();
  const browsers: AutopushBrowser[] = [];
  let running: PushService;

  beforeEach(async () => {
    running = await startPushService({ now: clock.now });
  });
  afterEach(async () => {
    for (const browser of browsers.splice(0)) browser.socket.terminate();
    await running.stop();
  });

  return {
    vapidKeys,
    // Firefox registers the key with padding, pages pass it without.
    paddedKey: `${vapidKeys.publicKey}=`,
    clock,
    service: () => running,
    openBrowser(): AutopushBrowser {
      const browser = new AutopushBrowser(running.webSocketUrl);
      browsers.push(browser);
      return browser;
    },
    send: (subscription: Parameters<typeof sendPush>[0], text: string, options: object = {}) =>
      sendPush(subscription, text, { vapidKeys, ...options }),
  };
}

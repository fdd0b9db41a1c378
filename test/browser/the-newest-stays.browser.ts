import { describe, expect, test } from 'vitest';
import { createReceiptTokens } from '../../src/server/channels/receipt-tokens.ts';
import { encodePayload } from '../../src/server/notification/payload.ts';
import { eventually } from '../support/eventually.ts';
import { useStack } from '../support/stack.ts';
import { content } from '../unit/channels/delivery.ts';
import { createVapidKeys, sendPush } from '../unit/push-service/sender.ts';
import { useApp } from './support/use-app.ts';
import { useFirefox } from './support/use-firefox.ts';
import { usePushWorker } from './support/use-push-worker.ts';

type Values = Parameters<typeof content>[0];
const payload = (values: Values, receipt: string): string =>
  new TextDecoder().decode(encodePayload(content(values), receipt));

describe('in Chromium', () => {
  const install = usePushWorker();

  const receipts = (posted: unknown[]): string[] =>
    (posted as { receipts: { receipt: string; event: string }[] }[]).flatMap((body) =>
      body.receipts.map(({ receipt, event }) => `${receipt} ${event}`),
    );
  const update = (place: number, values: Values = {}) =>
    payload({ title: `Update ${place}`, tag: 'deal:7', position: place, ...values }, `${place}.mac`);

  /** Waits for all that the worker does with a message, since one that is not shown is told to no page. */
  const pushed = (message: string) => `new PushEvent('push', { data: ${JSON.stringify(message)} })`;

  test('an older message that comes late leaves the newer one on the screen, without a sound', async () => {
    const worker = await install();
    await worker.deliver(update(2, { body: 'The price', url: '/deals/7', params: { price: 4 } }));
    await worker.posted(1);
    await worker.dispatch(pushed(update(1)));
    expect(await worker.shown()).toMatchObject([
      { title: 'Update 2', body: 'The price', tag: 'deal:7', silent: true, data: { price: 4 } },
    ]);
    // The older one was not displayed, and the newer one is no second time.
    await worker.click();
    expect(receipts(await worker.posted(2))).toEqual(['2.mac displayed', '2.mac clicked']);
  });

  test('a newer message takes the place of the older one, and one of another tag takes none', async () => {
    const worker = await install();
    const other = payload({ title: 'Other', tag: 'deal:8', position: 1 }, '3.mac');
    for (const [before, message] of [update(1), update(2), other].entries()) {
      await worker.deliver(message);
      await worker.posted(before + 1);
    }
    expect((await worker.shown()).map(({ title }) => title).sort()).toEqual(['Other', 'Update 2']);
  });

  test('two that come at once end with the newer one', async () => {
    const worker = await install();
    await Promise.all([update(2), update(1)].map((message) => worker.dispatch(pushed(message))));
    expect(await worker.shown()).toMatchObject([{ title: 'Update 2' }]);
  });
});

describe('in Firefox', () => {
  // No dispatcher: the test hands the messages of real deliveries to the push service, in an order of its own.
  const vapidKeys = createVapidKeys();
  const stack = useStack({
    workers: { net: false, cron: false },
    secrets: { VAPID_PUBLIC_KEY: vapidKeys.publicKey, VAPID_PRIVATE_KEY: vapidKeys.privateKey },
  });
  const project = useApp(stack);
  const firefox = useFirefox(stack, 'app');

  interface Delivery {
    id: string;
    notification_id: string;
    title: string;
    tag: string;
    position: string;
  }

  /** A device with messages that wait for it; `send` hands over those of these titles, and waits until Firefox has given them to the worker. */
  async function device(messages: [title: string, tag: string, values?: Values][]) {
    const page = await firefox.openApp();
    await page.evaluate(async () => void (await appReady));
    const anna = await project.signUp(page, 'anna');
    const { endpoint } = await project.subscribe(page);
    const sql = project.sql();
    for (const [title, tag] of messages) await sql`select push.notify(${anna}, ${title}, p_tag => ${tag})`;
    const deliveries = await sql<Delivery[]>`
      select q.id, q.notification_id, n.title, q.tag, q.position
      from push.queue as q join public.push_notifications as n on n.id = q.notification_id and n.user_id = ${anna}`;
    const [keys] = await sql<{ p256dh: string; auth: string }[]>`
      select p256dh, auth from public.push_subscriptions where endpoint = ${endpoint}`;
    const tokens = await createReceiptTokens([vapidKeys], stack().url);
    const { autopush } = stack().pushService;
    const isShown = ({ code }: { code: number | null }) => code === 100;
    let handed = autopush.reports.filter(isShown).length;
    const handOver = async (title: string): Promise<void> => {
      const delivery = deliveries.find((one) => one.title === title) as Delivery;
      const [, , values] = messages.find(([of]) => of === title) ?? [];
      const { notification_id: notificationId, tag, position } = delivery;
      const text = payload(
        { notificationId, title, tag, position: Number(position), ...values },
        await tokens.sign(Number(delivery.id)),
      );
      const subscription = { endpoint, expirationTime: null, keys: keys as { p256dh: string; auth: string } };
      expect((await sendPush(subscription, text, { vapidKeys })).status).toBe(201);
    };
    const shown = () =>
      page.evaluate(async () => {
        const list = await (await navigator.serviceWorker.ready).getNotifications();
        return list.map(({ title, body, tag, silent, data }) => ({ title, body, tag, silent, data }));
      });
    return {
      page,
      anna,
      shown,
      async send(...titles: string[]): Promise<void> {
        await Promise.all(titles.map(handOver));
        handed += titles.length;
        await autopush.waitForReports(isShown, { count: handed });
      },
      titles: async () => (await firefox.alerts()).map(({ title }) => title).sort(),
    };
  }

  test('an older message that comes late leaves the newer one on the screen, without a sound', async () => {
    const { anna, send, titles, shown } = await device([
      ['Older', 'deal:7'],
      ['Newer', 'deal:7', { body: 'The price', url: '/deals/7', params: { price: 4 } }],
    ]);
    await send('Newer');
    await eventually(titles, (on) => on.includes('Newer'), 15_000);
    await project.receipts(anna, 1);
    await send('Older');
    // Shown once more.
    await eventually(shown, ([one]) => one?.silent === true, 15_000);
    expect(await titles()).toEqual(['Newer']);
    expect(await shown()).toMatchObject([
      { title: 'Newer', body: 'The price', tag: 'deal:7', silent: true, data: { price: 4 } },
    ]);
    await firefox().clickAlert('Newer');
    // The older one was not displayed, and the newer one was neither dismissed nor displayed a second time.
    await project.receipts(anna, 2);
    expect(await project.receipts(anna, 2)).toEqual([
      { title: 'Newer', event: 'clicked' },
      { title: 'Newer', event: 'displayed' },
    ]);
    await eventually(
      () => firefox().urls(),
      (urls) => urls.includes(`${firefox.origin()}/deals/7`),
    );
  });

  test('a newer message takes the place of the older one, and one of another tag takes none', async () => {
    const { send, titles } = await device([
      ['Older', 'deal:7'],
      ['Newer', 'deal:7'],
      ['Other', 'deal:8'],
    ]);
    await send('Older');
    await send('Newer');
    await send('Other');
    await eventually(titles, (on) => on.join() === 'Newer,Other', 15_000);
  });

  test('two that come at once end with the newer one', async () => {
    const { send, titles, shown } = await device([
      ['Older', 'deal:7'],
      ['Newer', 'deal:7'],
      ['Other', 'deal:8'],
    ]);
    await send('Newer', 'Older');
    // The worker shows one after the other.
    await send('Other');
    await eventually(titles, (on) => on.includes('Other'), 15_000);
    expect(await titles()).toEqual(['Newer', 'Other']);
    expect((await shown()).map(({ title }) => title).sort()).toEqual(['Newer', 'Other']);
  });
});

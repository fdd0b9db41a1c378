import { expect, test } from 'vitest';
import { encodePayload } from '../../src/server/notification/payload.ts';
import { eventually } from '../support/eventually.ts';
import { content } from '../unit/channels/delivery.ts';
import { usePushWorker } from './support/use-push-worker.ts';

const install = usePushWorker();

const payload = (values: Parameters<typeof content>[0], receipt: string): string =>
  new TextDecoder().decode(encodePayload(content(values), receipt));
const receipts = (posted: unknown[]): string[] =>
  (posted as { receipts: { receipt: string; event: string }[] }[]).flatMap((body) =>
    body.receipts.map(({ receipt, event }) => `${receipt} ${event}`),
  );

test('a message that comes again replaces the first without a sound, and was not dismissed', async () => {
  const worker = await install();
  await worker.run(
    `(() => { self.badges = []; navigator.setAppBadge = async (count) => void badges.push(count); })()`,
  );
  // It asks to ring whenever it replaces something; without a tag of its app's, that could only be itself.
  const again = payload({ title: 'Acme is won', presentation: { renotify: true } }, '1.mac');
  for (const time of [1, 2, 3]) {
    await worker.deliver(again);
    await worker.posted(time);
  }
  expect(await worker.shown()).toMatchObject([
    { title: 'Acme is won', tag: content().notificationId, renotify: false },
  ]);
  const badges = await eventually(
    () => worker.run<number[]>('badges'),
    (list) => list.length >= 3,
  );
  expect(badges).toEqual([1, 1, 1]);
  await worker.click();
  // The server keeps the first of each event (push.receipts).
  expect(receipts(await worker.posted(4))).toEqual([
    '1.mac displayed',
    '1.mac displayed',
    '1.mac displayed',
    '1.mac clicked',
  ]);
  expect(await worker.shown()).toEqual([]);
});

test('messages that say the same are two, unless they are the same', async () => {
  const worker = await install();
  const [first, second] = ['0b1f6a52-0000-4000-8000-000000000001', '0b1f6a52-0000-4000-8000-000000000002'];
  await worker.deliver(payload({ notificationId: first }, '1.mac'));
  await worker.deliver(payload({ notificationId: second }, '2.mac'));
  await worker.deliver(payload({ notificationId: first }, '1.mac'));
  expect((await worker.shown()).map(({ tag }) => tag).sort()).toEqual([first, second]);
});

// Firefox says of what was replaced that it was closed.
test.each([
  ['the same message', '1.mac'],
  ['another of its tag', '2.mac'],
])('what %s has replaced was not dismissed; the one that did may be', async (_, receipt) => {
  const worker = await install();
  const keep = (name: string) =>
    worker.run(`registration.getNotifications().then(([shown]) => void (self.${name} = shown))`);
  const close = (name: string) =>
    worker.dispatch(`new NotificationEvent('notificationclose', { notification: self.${name} })`);
  await worker.deliver(payload({ tag: 'deal:7' }, '1.mac'));
  await worker.posted(1);
  await keep('first');
  await worker.deliver(payload({ tag: 'deal:7' }, receipt));
  await worker.posted(2);
  await keep('second');
  await close('first');
  await close('second');
  expect(receipts(await worker.posted(3))).toEqual([
    '1.mac displayed',
    `${receipt} displayed`,
    `${receipt} dismissed`,
  ]);
});

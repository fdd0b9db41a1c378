import { expect, test } from 'vitest';
import { encodePayload } from '../../src/server/notification/payload.ts';
import { content } from '../unit/channels/delivery.ts';
import { usePushWorker } from './support/use-push-worker.ts';

const install = usePushWorker();

const payload = (values: Parameters<typeof content>[0], receipt: string): string =>
  new TextDecoder().decode(encodePayload(content(values), receipt));
const receipts = (posted: unknown[]): string[] =>
  (posted as { receipts: { receipt: string; event: string }[] }[]).flatMap((body) =>
    body.receipts.map(({ receipt, event }) => `${receipt} ${event}`),
  );
const update = (place: number, values: Parameters<typeof content>[0] = {}) =>
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
  await worker.deliver(update(1));
  await worker.deliver(update(2));
  await worker.deliver(payload({ title: 'Other', tag: 'deal:8', position: 1 }, '3.mac'));
  await worker.posted(3);
  expect((await worker.shown()).map(({ title }) => title).sort()).toEqual(['Other', 'Update 2']);
});

test('two that come at once end with the newer one', async () => {
  const worker = await install();
  await Promise.all([update(2), update(1)].map((message) => worker.dispatch(pushed(message))));
  expect(await worker.shown()).toMatchObject([{ title: 'Update 2' }]);
});

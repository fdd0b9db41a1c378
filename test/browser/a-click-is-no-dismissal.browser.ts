import { expect, test } from 'vitest';
import { usePushWorker } from './support/use-push-worker.ts';

const install = usePushWorker();

const message = (receipt: string) => ({
  notification: { title: 'Acme is won', data: { supapush: { notification_id: receipt, receipt } } },
});
const keep = `registration.getNotifications().then(([shown]) => void (self.kept = shown))`;
const close = `new NotificationEvent('notificationclose', { notification: self.kept })`;

// Firefox says that a notification was closed when it was clicked, too.
test('what was clicked is not reported as dismissed when the browser says that it was closed', async () => {
  const worker = await install();
  await worker.deliver(message('1.mac'));
  await worker.posted(1);
  await worker.run(keep);
  await worker.click();
  await worker.dispatch(close);
  expect(eventsOf(await worker.posted(2))).toEqual(['1.mac displayed', '1.mac clicked']);

  await worker.deliver(message('2.mac'));
  await worker.posted(3);
  await worker.run(keep);
  await worker.dispatch(close);
  expect(eventsOf(await worker.posted(4)).slice(2)).toEqual(['2.mac displayed', '2.mac dismissed']);
});

function eventsOf(posted: unknown[]): string[] {
  return (posted as { receipts: { receipt: string; event: string }[] }[]).flatMap(({ receipts }) =>
    receipts.map(({ receipt, event }) => `${receipt} ${event}`),
  );
}

import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { usePushWorker } from './support/use-push-worker.ts';

const install = usePushWorker();

const message = (receipt: string) => ({
  notification: { title: `Message ${receipt}`, data: { supapush: { notification_id: receipt, receipt } } },
});
/** As a page asks for it. */
const clear = `new ExtendableMessageEvent('message', { data: { type: 'supapush', event: 'clear' } })`;
const noteBadges = `(() => {
  self.badges = [];
  Object.defineProperty(navigator, 'setAppBadge', { value: async (count) => void badges.push(count) });
})()`;

test('ours leave the screen, others stay, the badge is gone, and nothing counts as dismissed', async () => {
  const worker = await install();
  await worker.run(noteBadges);
  await worker.deliverAll([message('1.mac'), message('2.mac')]);
  await worker.run(`registration.showNotification('Not ours', { data: { app: true } })`);
  await worker.run(`registration.getNotifications().then((list) => void (self.kept = list))`);
  await eventually(
    () => eventsOf(worker.app.posted),
    ({ length }) => length === 2,
  );

  await worker.dispatch(clear);
  expect((await worker.shown()).map(({ title }) => title)).toEqual(['Not ours']);
  expect(await worker.run('badges.at(-1)')).toBe(0);
  // As browsers do that say so for whatever was closed.
  await worker.dispatch(
    `new NotificationEvent('notificationclose', { notification: kept.find(({ title }) => title === 'Message 1.mac') })`,
  );
  await worker.deliver(message('3.mac'));
  const events = await eventually(
    () => eventsOf(worker.app.posted),
    (all) => all.includes('3.mac displayed'),
  );
  expect(events.sort()).toEqual(['1.mac displayed', '2.mac displayed', '3.mac displayed']);
});

test('an app that keeps its badge itself keeps it', async () => {
  const worker = await install();
  await worker.run(noteBadges);
  await worker.run('void supapush.installPush(self, { appBadge: false })');
  await worker.deliver(message('1.mac'));
  await worker.dispatch(clear);
  expect(await worker.shown()).toEqual([]);
  expect(await worker.run('badges')).toEqual([]);
});

test('a message that was being prepared meanwhile does not stay', async () => {
  const worker = await install();
  await worker.run(`(() => {
    self.prepared = new Promise((resolve) => (self.go = resolve));
    self.preparing = new Promise((resolve) => {
      supapush.installPush(self, { onPush: () => (resolve(), prepared) });
    });
  })()`);
  const event = `new PushEvent('push', { data: ${JSON.stringify(JSON.stringify(message('1.mac')))} })`;
  const handled = worker.dispatch(event);
  await worker.run('preparing');
  await worker.dispatch(clear);
  await worker.run('go()');
  await handled;
  expect(await worker.shown()).toEqual([]);
});

function eventsOf(posted: unknown[]): string[] {
  return (posted as { receipts: { receipt: string; event: string }[] }[]).flatMap(({ receipts }) =>
    receipts.map(({ receipt, event }) => `${receipt} ${event}`),
  );
}

import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type PushWorker, usePushWorker } from './support/use-push-worker.ts';

const install = usePushWorker();

const message = (receipt: string): object => ({
  notification: {
    title: `Message ${receipt}`,
    navigate: '/',
    actions: [{ action: 'later', title: 'Later', navigate: '/later' }],
    data: { supapush: { notification_id: `n-${receipt}`, receipt } },
  },
});

const dismiss = (worker: PushWorker): Promise<void> =>
  worker.dispatch(`{
    const [notification] = await registration.getNotifications();
    notification.close();
    return new NotificationEvent('notificationclose', { notification });
  }`);

/** What was posted, without the times. */
async function receipts(worker: PushWorker, requests: number): Promise<string[][]> {
  const posted = (await worker.posted(requests)) as {
    receipts: { receipt: string; event: string; action?: string; at: string }[];
  }[];
  for (const { at } of posted.flatMap((body) => body.receipts)) expect(new Date(at).toISOString()).toBe(at);
  return posted.map((body) =>
    body.receipts.map(({ receipt, event, action }) => [receipt, event, action ?? ''].join(' ').trim()),
  );
}

const waiting = (worker: PushWorker): Promise<unknown[]> => worker.store<unknown[]>(`store.all('receipts')`);

test('displayed, clicked, a chosen action and dismissed are reported with their token', async () => {
  const worker = await install();
  await worker.deliver(message('1.a'));
  await worker.posted(1);
  await worker.click();
  await worker.deliver(message('2.b'));
  await worker.posted(3);
  await worker.click('later');
  await worker.deliver(message('3.c'));
  await worker.posted(5);
  await dismiss(worker);
  expect((await receipts(worker, 6)).flat()).toEqual([
    '1.a displayed',
    '1.a clicked',
    '2.b displayed',
    '2.b action later',
    '3.c displayed',
    '3.c dismissed',
  ]);
  expect(await waiting(worker)).toEqual([]);
});

test('a message without a token is shown and not reported', async () => {
  const worker = await install();
  await worker.deliver({ notification: { title: 'Hi', data: { supapush: { notification_id: 'n' } } } });
  await worker.click();
  await worker.deliver({ notification: { title: 'Hi', data: { supapush: { receipt: 5 } } } });
  await worker.click();
  expect(worker.app.posted).toEqual([]);
  expect(await waiting(worker)).toEqual([]);
});

test.each(['unreachable', 408, 429, 500, 503] as const)(
  'what meets %s is kept and goes with the next event',
  async (answer) => {
    const worker = await install();
    worker.app.answer = answer;
    await worker.deliver(message('1.a'));
    await worker.click();
    await eventually(
      () => waiting(worker),
      (list) => list.length === 2,
    );
    worker.app.answer = 200;
    worker.app.posted.length = 0;
    await worker.deliver(message('2.b'));
    const sent = () =>
      (worker.app.posted as { receipts: { receipt: string; event: string }[] }[])
        .flatMap((body) => body.receipts)
        .map(({ receipt, event }) => `${receipt} ${event}`);
    // The browser's own background sync may come first, with the two of them.
    await eventually(sent, (list) => list.length >= 3);
    await eventually(
      () => waiting(worker),
      (list) => list.length === 0,
    );
    expect(sent()).toEqual(['1.a displayed', '1.a clicked', '2.b displayed']);
  },
);

test.each([400, 401, 404, 413])('what is refused with %s is not sent again', async (answer) => {
  const worker = await install();
  worker.app.answer = answer;
  await worker.deliver(message('1.a'));
  await worker.posted(1);
  worker.app.answer = 200;
  await eventually(
    () => waiting(worker),
    (list) => list.length === 0,
  );
  await worker.deliver(message('2.b'));
  expect(await receipts(worker, 2)).toEqual([['1.a displayed'], ['2.b displayed']]);
});

test('a background sync is asked for once, sends what waits, and is not asked for by a sync that fails', async () => {
  const worker = await install();
  await worker.run(`(() => {
    self.asked = [];
    SyncManager.prototype.register = async (tag) => void asked.push(tag);
  })()`);
  const asked = (count: number): Promise<string[]> =>
    eventually(
      () => worker.run<string[]>('asked'),
      (list) => list.length === count,
    );
  const sync = (tag: string): Promise<void> => worker.dispatch(`new SyncEvent('sync', { tag: '${tag}' })`);

  worker.app.answer = 503;
  await worker.deliver(message('1.a'));
  expect(await asked(1)).toEqual(['supapush']);
  await expect(sync('supapush')).rejects.toThrow('not everything could be sent');
  await expect(sync('supapush')).rejects.toThrow('not everything could be sent');
  expect(await asked(1)).toEqual(['supapush']);
  await worker.deliver(message('2.b'));
  await asked(2);

  worker.app.answer = 200;
  worker.app.posted.length = 0;
  await sync('somebody else');
  expect(worker.app.posted).toEqual([]);
  await sync('supapush');
  expect(await receipts(worker, 1)).toEqual([['1.a displayed', '2.b displayed']]);
});

test('the browser’s own background sync comes, and is not repeated in a loop', async () => {
  const worker = await install({
    script: `self.syncs = 0; self.addEventListener('sync', () => syncs++); importScripts('/supapush-sw.js');`,
  });
  worker.app.answer = 503;
  await worker.deliver(message('1.a'));
  await eventually(
    () => worker.run<number>('syncs'),
    (count) => count > 0,
  );
  for (const receipt of ['2.b', '3.c']) await worker.deliver(message(receipt));
  await eventually(
    () => waiting(worker),
    (list) => list.length === 3,
  );
  // Each message may ask for one; a loop would have come to hundreds.
  expect(await worker.run<number>('syncs')).toBeLessThanOrEqual(3);
});

test('a page that is online again can ask for what waits', async () => {
  const worker = await install();
  await worker.store(
    `store.add('receipts', { receipt: '1.a', event: 'clicked', at: '2026-11-21T08:00:00.000Z' })`,
  );
  await worker.page.evaluate(`navigator.serviceWorker.ready.then(({ active }) => {
    active.postMessage('supapush');
    active.postMessage({ type: 'supapush', event: 'flush' });
  })`);
  expect(await receipts(worker, 1)).toEqual([['1.a clicked']]);
});

test('many that waited go in requests of a hundred, the oldest first', async () => {
  const worker = await install();
  await worker.store(`Promise.all(Array.from({ length: 250 }, (_, index) =>
    store.add('receipts', { receipt: index + '.a', event: 'clicked', at: '2026-11-21T08:00:00.000Z' })))`);
  await worker.dispatch(`new SyncEvent('sync', { tag: 'supapush' })`);
  const sent = await receipts(worker, 3);
  expect(sent.map((list) => list.length)).toEqual([100, 100, 50]);
  expect(sent.flat()).toEqual(Array.from({ length: 250 }, (_, index) => `${index}.a clicked`));
});

test('a device that never reaches the project keeps the newest thousand', async () => {
  const worker = await install();
  worker.app.answer = 503;
  await worker.store(`Promise.all(Array.from({ length: 1100 }, (_, index) =>
    store.add('receipts', { receipt: index + '.a', event: 'clicked', at: '2026-11-21T08:00:00.000Z' })))`);
  await worker.deliver(message('new'));
  const kept = await eventually(
    () => waiting(worker) as Promise<{ value: { receipt: string } }[]>,
    (list) => list.length <= 1000,
  );
  expect(kept).toHaveLength(1000);
  expect(kept.at(-1)?.value.receipt).toBe('new');
});

test('an app can do without some receipts', async () => {
  const worker = await install({
    script: `importScripts('/supapush-sw.js'); supapush.installPush(self, { receipts: ['clicked'] });`,
  });
  await worker.deliver(message('1.a'));
  await worker.click();
  expect(await receipts(worker, 1)).toEqual([['1.a clicked']]);
});

test('the badge is the number the message says, or that of what is shown', async () => {
  const worker = await install();
  await worker.run(
    `(() => { self.badges = []; navigator.setAppBadge = async (count) => void badges.push(count); })()`,
  );
  const badges = (count: number): Promise<number[]> =>
    eventually(
      () => worker.run<number[]>('badges'),
      (list) => list.length === count,
    );
  await worker.deliver(message('1.a'));
  await badges(1);
  await worker.deliver(message('2.b'));
  await badges(2);
  await worker.click();
  await dismiss(worker);
  expect(await badges(4)).toEqual([1, 2, 1, 0]);

  await worker.deliver({ app_badge: 7, notification: { title: 'Seven' } });
  await badges(5);
  await worker.deliver({ notification: { title: 'None', app_badge: '0' } });
  await badges(6);
  // What the project counts is not undone by a count of what is shown.
  await worker.click();
  expect(await badges(6)).toEqual([1, 2, 1, 0, 7, 0]);
});

test('an app that counts itself keeps its badge', async () => {
  const worker = await install({
    script: `importScripts('/supapush-sw.js'); supapush.installPush(self, { appBadge: false });`,
  });
  await worker.run(
    `(() => { self.badges = []; navigator.setAppBadge = async (count) => void badges.push(count); })()`,
  );
  await worker.deliver({
    app_badge: 7,
    notification: { title: 'Seven', data: { supapush: { receipt: '1.a' } } },
  });
  await worker.posted(1);
  await worker.click();
  await worker.posted(2);
  expect(await worker.run('badges')).toEqual([]);
});

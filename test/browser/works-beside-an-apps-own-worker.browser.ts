import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type PushWorker, usePushWorker } from './support/use-push-worker.ts';

const install = usePushWorker();

const OURS = {
  notification: { title: 'Ours', data: { supapush: { notification_id: 'n-1', receipt: '1.a' } } },
};
const OTHER = { title: 'Other', kind: 'somebody else’s' };

/** A worker with handlers of its own, which know nothing of Supapush. */
const withHandlers = (options: string): { script: string } => ({
  script: `
    importScripts('/supapush-sw.js');
    supapush.installPush(self, ${options});
    self.seen = [];
    self.addEventListener('push', (event) => {
      const { title } = event.data.json().notification ?? event.data.json();
      seen.push('push ' + title);
      event.waitUntil(registration.showNotification('App: ' + title));
    });
    for (const type of ['notificationclick', 'notificationclose']) {
      self.addEventListener(type, ({ notification }) => seen.push(type + ' ' + notification.title));
    }`,
});

test('imported without another word it works', async () => {
  const worker = await install({ script: `importScripts('/supapush-sw.js');` });
  await worker.deliver(OURS);
  expect((await worker.shown()).map(({ title }) => title)).toEqual(['Ours']);
});

test('asked by a page who it is, it says its version', async () => {
  const worker = await install({ script: `importScripts('/supapush-sw.js');` });
  const answer = await worker.page.evaluate(`new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    navigator.serviceWorker.ready.then(({ active }) =>
      active.postMessage({ type: 'supapush', event: 'hello' }, [port2]));
  })`);
  expect(answer).toEqual({ type: 'supapush', version: 1 });
});

test('installed twice it shows everything once, with the newer options', async () => {
  const worker = await install({
    script: `importScripts('/supapush-sw.js'); importScripts('/supapush-sw.js?again');
      supapush.installPush(self, { defaultTitle: 'First' }); supapush.installPush(self, { defaultTitle: 'Second' });`,
  });
  await worker.deliver('{}');
  await worker.posted(0);
  expect((await worker.shown()).map(({ title }) => title)).toEqual(['Second']);
});

test('messages of others are left to their handler, ours are kept from it', async () => {
  const worker = await install(withHandlers('{ leaveOthers: true }'));
  await worker.deliver(OURS);
  await worker.dispatch(`new PushEvent('push', { data: ${JSON.stringify(JSON.stringify(OTHER))} })`);
  expect((await worker.shown()).map(({ title }) => title).sort()).toEqual(['App: Other', 'Ours']);
  expect(await worker.run('seen')).toEqual(['push Other']);
});

test('what others have shown is left to their handlers, ours is kept from them', async () => {
  const worker = await install(withHandlers('{ leaveOthers: true }'));
  await worker.dispatch(`new PushEvent('push', { data: ${JSON.stringify(JSON.stringify(OTHER))} })`);
  await worker.click();
  await worker.dispatch(`new NotificationEvent('notificationclose', {
    notification: (await registration.getNotifications())[0],
  })`);
  expect(await worker.moves()).toEqual([]);
  expect(await worker.run('seen')).toEqual([
    'push Other',
    'notificationclick App: Other',
    'notificationclose App: Other',
  ]);
  await worker.run(`registration.getNotifications().then((list) => list.map((n) => n.close()).length)`);

  await worker.deliver(OURS);
  await worker.posted(1);
  await worker.click();
  expect(await worker.run<string[]>('seen')).toHaveLength(3);
  expect(await worker.posted(2)).toHaveLength(2);
});

test('as a worker of its own it controls the page that installed it, imported it does not', async () => {
  // `ready` is kept as soon as a worker begins to be active, and pages are claimed after that.
  const isControlled = (worker: PushWorker) =>
    worker.page.evaluate('navigator.serviceWorker.controller !== null');
  const isActive = (worker: PushWorker) =>
    worker.page.evaluate(`navigator.serviceWorker.ready.then(({ active }) => active.state === 'activated')`);
  const own = await install();
  await eventually(() => isControlled(own), Boolean);
  const imported = await install({ script: `importScripts('/supapush-sw.js');` });
  await eventually(() => isActive(imported), Boolean);
  expect(await isControlled(imported)).toBe(false);
  const asked = await install({
    script: `importScripts('/supapush-sw.js'); supapush.installPush(self, { claim: true });`,
  });
  await eventually(() => isControlled(asked), Boolean);
});

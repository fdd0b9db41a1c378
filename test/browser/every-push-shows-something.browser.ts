import { expect, test } from 'vitest';
import { usePushWorker } from './support/use-push-worker.ts';

const install = usePushWorker();

const MESSAGE = {
  web_push: 8030,
  notification: {
    title: 'Acme is won',
    body: 'It was open until now.',
    navigate: '/deals/7',
    tag: 'deal:7',
    silent: true,
    actions: [{ action: 'open', title: 'Open', navigate: '/deals/7/open' }],
    data: { deal: 7, supapush: { notification_id: 'n-1', category: 'deals', receipt: '1.mac' } },
  },
  mutable: true,
};

test('a message is shown as it says, and open pages are told', async () => {
  const worker = await install();
  await worker.deliver(MESSAGE);

  const [shown, ...others] = await worker.shown();
  expect(others).toEqual([]);
  expect(shown).toMatchObject({
    title: 'Acme is won',
    body: 'It was open until now.',
    tag: 'deal:7',
    silent: true,
    actions: [{ action: 'open', title: 'Open' }],
    data: { deal: 7, supapush: { notification_id: 'n-1', navigate: '/deals/7' } },
  });
  await worker.posted(1);
  expect(await worker.page.evaluate('heard')).toEqual([
    expect.objectContaining({
      type: 'supapush',
      event: 'displayed',
      notificationId: 'n-1',
      category: 'deals',
      title: 'Acme is won',
      data: { deal: 7 },
    }),
  ]);
});

test.each([
  ['no payload', '', 'localhost', ''],
  ['a text', 'Test push message', 'localhost', 'Test push message'],
  ['half a message', '{"web_push":8030,"notification":{"tit', 'localhost', ''],
  ['markup', '<html><script>alert(1)</script>', 'localhost', ''],
  ['a number', '5', 'localhost', ''],
  ['null', 'null', 'localhost', ''],
  ['a list', '[{"title":"Hi"}]', 'localhost', ''],
  ['a text as JSON', '"Hello"', 'localhost', 'Hello'],
  ['no title', '{"notification":{"body":"Only this"}}', 'localhost', 'Only this'],
  ['a title of blanks', '{"notification":{"title":"  "}}', 'localhost', ''],
  ['a title that is no text', '{"notification":{"title":{"a":1}}}', 'localhost', ''],
  ['markup in the title', '{"notification":{"title":"<b>Hi</b>"}}', '<b>Hi</b>', ''],
  ['fields at the top', '{"title":"Hi","body":"Ho"}', 'Hi', 'Ho'],
  ['silence that vibrates', '{"notification":{"title":"Hi","silent":true,"vibrate":[1]}}', 'Hi', ''],
  ['renotify without a tag', '{"notification":{"title":"Hi","renotify":true}}', 'Hi', ''],
  [
    'members of the wrong type',
    '{"notification":{"title":"Hi","body":5,"actions":"no","vibrate":"x","dir":"up","tag":[],"data":3,"icon":{}}}',
    'Hi',
    '',
  ],
  [
    'actions without a name',
    '{"notification":{"title":"Hi","actions":[null,{"title":"x"},{"action":"a"},5]}}',
    'Hi',
    '',
  ],
])('%s shows a notification', async (_, payload, title, body) => {
  const worker = await install();
  await worker.deliver(payload);
  expect((await worker.shown())[0]).toMatchObject({ title, body, actions: [] });
});

test('an event without data shows a notification', async () => {
  const worker = await install();
  await worker.dispatch(`new PushEvent('push')`);
  expect((await worker.shown())[0]).toMatchObject({ title: 'localhost' });
});

test('a message that the browser has read itself (Declarative Web Push) is shown', async () => {
  const worker = await install();
  await worker.dispatch(`Object.defineProperty(new PushEvent('push'), 'notification', {
    value: ${JSON.stringify(MESSAGE.notification)},
  })`);
  expect((await worker.shown())[0]).toMatchObject({
    title: 'Acme is won',
    data: { supapush: { navigate: '/deals/7', actions: { open: '/deals/7/open' }, receipt: '1.mac' } },
  });
});

test('the longest message, 3993 bytes, is shown whole', async () => {
  const worker = await install();
  const frame = { notification: { ...MESSAGE.notification, body: '' } };
  const body = 'x'.repeat(3993 - JSON.stringify(frame).length);
  await worker.deliver({ notification: { ...MESSAGE.notification, body } });
  expect((await worker.shown())[0]?.body).toBe(body);
});

test('messages of one tag replace each other, others do not', async () => {
  const worker = await install();
  for (const title of ['First', 'Second']) {
    await worker.deliver({ notification: { title, tag: 'deal:7', renotify: true, data: { supapush: {} } } });
  }
  await worker.deliver({ notification: { title: 'Other', tag: 'deal:8' } });
  const shown = await worker.shown();
  expect(shown.map(({ title, renotify }) => [title, renotify]).sort()).toEqual([
    ['Other', false],
    ['Second', true],
  ]);
});

test('of many that come at once none is lost', async () => {
  const worker = await install();
  const titles = Array.from({ length: 20 }, (_, index) => `Message ${index}`);
  await worker.deliverAll(titles.map((title) => ({ notification: { title, data: { supapush: {} } } })));
  expect((await worker.shown()).map(({ title }) => title).sort()).toEqual(titles.sort());
});

test('defaults fill in what a message does not say', async () => {
  const worker = await install({
    script: `importScripts('/supapush-sw.js');
      supapush.installPush(self, { defaultTitle: 'News', icon: '/icon.png' });`,
  });
  await worker.deliver('{"notification":{"body":"Hi"}}');
  const [shown] = await worker.shown();
  expect(shown).toMatchObject({ title: 'News', icon: expect.stringMatching(/\/icon\.png$/) });
});

test.each([
  ['throws', `() => { throw new Error('no'); }`],
  ['rejects', `async () => { throw new Error('no'); }`],
  ['takes the message apart', `(message) => { delete message.title; delete message.options; }`],
  [
    'adds what no browser takes',
    `(message) => { message.options.dir = 'up'; message.options.data.f = () => 0; }`,
  ],
])('a hook that %s keeps nothing from being shown', async (_, hook) => {
  const worker = await install({
    script: `importScripts('/supapush-sw.js'); supapush.installPush(self, { onPush: ${hook} });`,
  });
  await worker.deliver(MESSAGE);
  const [shown] = await worker.shown();
  expect(shown?.data.supapush).toMatchObject({ notification_id: 'n-1' });
});

test('a hook may change what is shown', async () => {
  const worker = await install({
    script: `importScripts('/supapush-sw.js');
      supapush.installPush(self, { onPush: async (message) => { message.title += '!'; } });`,
  });
  await worker.deliver(MESSAGE);
  expect((await worker.shown())[0]?.title).toBe('Acme is won!');
});

test.each([
  ['throws', `() => { throw new DOMException('no', 'SecurityError'); }`],
  ['never answers', `() => ({})`],
])('storage that %s keeps nothing from being shown and reported', async (_, open) => {
  const worker = await install({
    script: `importScripts('/supapush-sw.js');
      supapush.installPush(self, { eventsUrl: new URL(location).searchParams.get('events') ?? undefined });
      IDBFactory.prototype.open = ${open};`,
  });
  await worker.run(`supapush.installPush(self, { eventsUrl: ${JSON.stringify(worker.app.eventsUrl)} })`);
  await worker.deliver(MESSAGE);
  await worker.shown();
  expect(await worker.posted(1)).toEqual([
    { receipts: [expect.objectContaining({ receipt: '1.mac', event: 'displayed' })] },
  ]);
});

test('without permission nothing is shown, and nothing is reported as displayed', async () => {
  const worker = await install({ notifications: 'denied' });
  await worker.dispatch(`Object.defineProperty(new PushEvent('push'), 'data', {
    value: { text: () => ${JSON.stringify(JSON.stringify(MESSAGE))} },
  })`);
  expect(await worker.shown()).toEqual([]);
  expect(worker.app.posted).toEqual([]);
});

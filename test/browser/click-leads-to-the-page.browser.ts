import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { usePushWorker } from './support/use-push-worker.ts';

const install = usePushWorker();

const WITH = (options: string): { script: string } => ({
  script: `importScripts('/supapush-sw.js'); supapush.installPush(self, ${options});`,
});

const message = (navigate: unknown): object => ({
  notification: {
    title: 'Hi',
    navigate,
    actions: [
      { action: 'edit', title: 'Edit', navigate: '/deals/7/edit' },
      { action: 'steal', title: 'Steal', navigate: 'https://evil.example/' },
      { action: 'mark', title: 'Mark' },
    ],
    data: { deal: 7, supapush: { notification_id: 'n-1', category: 'deals' } },
  },
});

test('a page that is open at the URL gets the focus, and is told', async () => {
  const worker = await install();
  const there = await worker.open('/deals/7?tab=1');
  await worker.deliver(message('/deals/7?tab=1'));
  await worker.click();
  expect(await worker.moves()).toEqual(['focus /deals/7?tab=1']);
  const heard = (focused: boolean): object => ({
    type: 'supapush',
    event: 'clicked',
    action: '',
    url: `${worker.app.origin}/deals/7?tab=1`,
    notificationId: 'n-1',
    category: 'deals',
    data: { deal: 7 },
    focused,
  });
  expect(await there.evaluate('heard.at(-1)')).toEqual(heard(true));
  expect(await worker.page.evaluate('heard.at(-1)')).toEqual(heard(false));
  expect(await worker.shown()).toEqual([]);
});

test('else another page of the app gets the focus and goes there', async () => {
  const worker = await install();
  await worker.page.reload();
  await worker.deliver(message('/deals/7'));
  await worker.click();
  expect(await worker.moves()).toEqual(['focus /']);
  await eventually(
    () => worker.page.url(),
    (url) => url === `${worker.app.origin}/deals/7`,
  );
});

test('a page that was there before the worker of an app cannot be navigated: another one is opened', async () => {
  const worker = await install(WITH('{}'));
  await worker.deliver(message('/deals/7'));
  await worker.click();
  expect(await worker.moves()).toEqual(['open /deals/7']);
  expect(worker.page.url()).toBe(`${worker.app.origin}/`);
});

test('an app that navigates itself has its page focused, and is told where to', async () => {
  const worker = await install(WITH(`{ openIn: 'message' }`));
  await worker.deliver(message('/deals/7'));
  await worker.click();
  expect(await worker.moves()).toEqual(['focus /']);
  expect(await worker.page.evaluate('heard.at(-1)')).toMatchObject({
    event: 'clicked',
    url: `${worker.app.origin}/deals/7`,
    focused: true,
  });
  expect(worker.page.url()).toBe(`${worker.app.origin}/`);
});

test('an app that wants its pages left alone gets another one', async () => {
  const worker = await install(WITH(`{ openIn: 'window' }`));
  await worker.page.reload();
  await worker.deliver(message('/deals/7'));
  await worker.click();
  expect(await worker.moves()).toEqual(['open /deals/7']);
});

test('a page that refuses the focus is not all: the URL is opened', async () => {
  const worker = await install();
  await worker.run(`(() => { WindowClient.prototype.focus = async () => { throw new Error('no'); }; })()`);
  await worker.deliver(message('/'));
  await worker.click();
  expect(await worker.moves()).toEqual(['open /']);
});

test.each([
  ['edit', '/deals/7/edit'],
  ['mark', '/deals/7'],
  ['unknown', '/deals/7'],
  ['steal', '/'],
  ['constructor', '/deals/7'],
])('the action %s leads to %s', async (action, path) => {
  const worker = await install(WITH(`{ openIn: 'window' }`));
  await worker.deliver(message('/deals/7'));
  await worker.page.goto('about:blank');
  await worker.click(action);
  expect(await worker.moves()).toEqual([`open ${path}`]);
});

test.each([
  'https://evil.example/',
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  'javascript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  5,
  null,
])('%j leads to the app instead', async (navigate) => {
  const worker = await install();
  await worker.deliver(message(navigate));
  await worker.page.goto('about:blank');
  await worker.click();
  expect(await worker.moves()).toEqual(['open /']);
});

test('another origin is opened where the app allows it', async () => {
  const worker = await install(WITH(`{ allowOrigins: ['https://help.example'] }`));
  await worker.deliver(message('https://help.example/push'));
  await worker.click();
  expect(await worker.moves()).toEqual(['open https://help.example/push']);
});

test('a hook may deal with a click itself', async () => {
  const worker = await install(
    WITH(`{ onClick: async (click) => { self.clicks = [click]; return false; } }`),
  );
  await worker.deliver(message('/deals/7'));
  await worker.click('edit');
  expect(await worker.moves()).toEqual([]);
  expect(await worker.run('clicks')).toEqual([
    {
      action: 'edit',
      url: `${worker.app.origin}/deals/7/edit`,
      notificationId: 'n-1',
      category: 'deals',
      data: { deal: 7 },
    },
  ]);
});

test('a hook that fails does not keep the page from being opened', async () => {
  const worker = await install(WITH(`{ openIn: 'window', onClick: () => { throw new Error('no'); } }`));
  await worker.deliver(message('/deals/7'));
  await worker.click();
  expect(await worker.moves()).toEqual(['open /deals/7']);
});

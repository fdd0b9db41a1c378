import type { Page } from 'puppeteer-core';
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
  expect(await worker.told('clicked', there)).toEqual(heard(true));
  expect(await worker.told('clicked')).toEqual(heard(false));
  expect(await worker.shown()).toEqual([]);
});

/** Has a page answer what the worker asks it, as our client does. */
const answer = (page: Page, opens: boolean): Promise<unknown> =>
  page.evaluate(`navigator.serviceWorker.addEventListener('message', ({ data, ports }) => {
    if (data.event === 'open') ports[0].postMessage({ opens: ${opens} });
  })`);

test('a page that goes there by itself gets the focus, and is not loaded anew', async () => {
  const worker = await install();
  await worker.page.reload();
  await answer(worker.page, true);
  await worker.page.evaluate('(self.draft = "Dear Ben")');
  await worker.deliver(message('/deals/7'));
  await worker.click();
  expect(await worker.moves()).toEqual(['focus /']);
  expect(await worker.page.evaluate(`heard.filter(({ event }) => event === 'open')`)).toEqual([
    { type: 'supapush', event: 'open', url: `${worker.app.origin}/deals/7`, until: expect.any(Number) },
  ]);
  expect(await worker.page.evaluate('[draft, location.pathname]')).toEqual(['Dear Ben', '/']);
});

test('a page that wants to stay as it is is left alone, and another one is opened', async () => {
  const worker = await install();
  await worker.page.reload();
  await answer(worker.page, false);
  await worker.deliver(message('/deals/7'));
  await worker.click();
  expect(await worker.moves()).toEqual(['open /deals/7']);
  expect(worker.page.url()).toBe(`${worker.app.origin}/`);
});

test('only one page is asked: two would both go there', async () => {
  const worker = await install();
  const other = await worker.open('/other');
  for (const page of [worker.page, other]) await answer(page, true);
  await worker.deliver(message('/deals/7'));
  await worker.click();
  const asked = await Promise.all(
    [worker.page, other].map((page) => page.evaluate(`heard.filter(({ event }) => event === 'open').length`)),
  );
  expect(asked.toSorted()).toEqual([0, 1]);
  expect(await worker.moves()).toHaveLength(1);
});

test('a page that wakes up with the focus and then says no keeps what is in it', async () => {
  const worker = await install();
  await worker.page.reload();
  await worker.page.evaluate(`(() => {
    // Frozen until it is looked at.
    self.ports = [];
    navigator.serviceWorker.addEventListener('message', ({ data, ports }) => self.ports.push(...ports));
  })()`);
  await worker.run(`(() => {
    const { focus } = WindowClient.prototype;
    WindowClient.prototype.focus = function () {
      this.postMessage({ type: 'wake' });
      return focus.call(this);
    };
  })()`);
  await worker.page.evaluate(`navigator.serviceWorker.addEventListener('message', ({ data }) => {
    if (data.type === 'wake') for (const port of self.ports) port.postMessage({ opens: false });
  })`);
  await worker.deliver(message('/deals/7'));
  await worker.click();
  expect(await worker.moves()).toEqual(['focus /']);
  expect(worker.page.url()).toBe(`${worker.app.origin}/`);
});

test('a page that says nothing gets the focus and is navigated', async () => {
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
  expect(await worker.told('clicked')).toMatchObject({
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

import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { fullState, message } from './support/component-states.ts';
import { useComponents } from './support/use-components.ts';

const ui = useComponents();
const titles = (): Promise<string[]> =>
  ui.page().$$eval('.supapush-entry-title', (all) => all.map(({ textContent }) => textContent ?? ''));
const open = async (name = 'Inbox, 2 unread'): Promise<void> => {
  await ui.click('button', name);
  await ui.text('Acme is won');
};

test('the bell says how many are unread, 99+ where there are more', async () => {
  await ui.show('inbox', fullState());
  await ui.find('button', 'Inbox, 2 unread');
  const many = Array.from({ length: 120 }, (_, id) => message(id));
  await ui.show('inbox', { inbox: many });
  await ui.find('button', 'Inbox, 99+ unread');
  await ui.show('inbox', {});
  await ui.find('button', 'Inbox');
});

test('it opens by keyboard, is left by Escape, and focus comes back', async () => {
  await ui.show('inbox', fullState());
  await (await ui.find('button', 'Inbox, 2 unread')).focus();
  await ui.press('Enter');
  await ui.focused('Inbox');
  await ui.text('Acme is won');
  await ui.press('Tab');
  await ui.focused('Mark all as read');
  await ui.press('Tab', 'Tab', 'Tab', 'Tab');
  await ui.focused('Unread: Acme is wonIt was offered until now.now');
  await ui.press('Escape');
  await ui.focused('Inbox, 2 unread');
  expect(await ui.has('dialog', 'Inbox')).toBe(false);
});

test('it closes when focus or the mouse goes elsewhere', async () => {
  await ui.show('inbox', fullState());
  await open();
  await (await ui.find('button', 'Elsewhere')).focus();
  await ui.page().waitForSelector('[role=dialog]', { hidden: true });
  await ui.focused('Elsewhere');
  await open();
  await ui.page().mouse.click(5, 700);
  await ui.page().waitForSelector('[role=dialog]', { hidden: true });
});

test('older messages follow page by page, none twice and none left out', async () => {
  await ui.show('inbox', fullState());
  await open();
  expect(await titles()).toHaveLength(5);
  await ui.click('button', 'Show older');
  await ui.text('Message 12');
  expect(await titles()).toEqual([
    'Unread: Acme is won',
    'Unread: No link',
    'Bad link',
    ...[6, 7, 8, 9, 10, 11, 12].map((id) => `Message ${id}`),
  ]);
  await ui.click('button', 'Show older');
  await ui.page().waitForSelector('.supapush-older', { hidden: true });
  expect(await titles()).toHaveLength(10);
});

test('a message that is opened is read, and its link is the app\u2019s to follow', async () => {
  await ui.show('inbox', fullState());
  await open();
  await ui.page().click('.supapush-entry a');
  await ui.find('button', 'Inbox, 1 unread');
  expect(await ui.calls(2)).toEqual([
    ['inbox.markRead', ['message-0']],
    ['open', '/deals/1'],
  ]);
  expect(await ui.has('dialog', 'Inbox')).toBe(false);
});

test('a message that is opened in another tab is read, and the inbox stays', async () => {
  await ui.show('inbox', fullState());
  await open();
  const others = new Set(await ui.page().browser().pages());
  await ui.page().keyboard.down('Control');
  await ui.page().click('.supapush-entry a');
  await ui.page().keyboard.up('Control');
  await ui.find('button', 'Inbox, 1 unread');
  expect(await ui.calls(1)).toEqual([['inbox.markRead', ['message-0']]]);
  await ui.find('dialog', 'Inbox');
  const opened = await eventually(
    async () => (await ui.page().browser().pages()).find((page) => !others.has(page)),
    (page) => page !== undefined,
  );
  await opened?.close();
});

test('a link that leads nowhere good is none', async () => {
  await ui.show('inbox', fullState());
  await open();
  const links = await ui
    .page()
    .$$eval('.supapush-entry a', (all) => all.map((link) => link.getAttribute('href')));
  expect(links).toEqual(['/deals/1', '/messages/6', '/messages/7']);
});

test('messages are marked read and unread again', async () => {
  await ui.show('inbox', fullState());
  await open();
  await ui.click('button', 'Mark “Acme is won” as read');
  await ui.find('button', 'Inbox, 1 unread');
  await ui.focused('Mark “Acme is won” as unread');
  await ui.press('Enter');
  await ui.find('button', 'Inbox, 2 unread');
  await ui.click('button', 'Mark all as read');
  await ui.find('button', 'Inbox');
  expect(await ui.calls(3)).toEqual([
    ['inbox.markRead', ['message-0']],
    ['inbox.markUnread', ['message-0']],
    ['inbox.markAllRead', 'message-0'],
  ]);
});

test('of the unread ones, a row that goes leaves the focus in the inbox', async () => {
  await ui.show('inbox', fullState());
  await open();
  await ui.click('button', 'Unread');
  await ui.page().waitForFunction(() => document.querySelectorAll('.supapush-entry').length === 2);
  await ui.click('button', 'Mark “Acme is won” as read');
  await ui.page().waitForFunction(() => document.querySelectorAll('.supapush-entry').length === 1);
  await ui.focused('Inbox');
  await ui.click('button', 'Mark “No link” as read');
  await ui.text('You are all caught up.');
});

test('what comes while it is open is shown and read out, and takes no page away', async () => {
  await ui.show('inbox', fullState());
  await open();
  await ui.click('button', 'Show older');
  await ui.text('Message 12');
  await ui.page().evaluate((item) => recorded.arrive(item), message(0, { id: 'new', title: 'Just in' }));
  await ui.text('Just in');
  await ui.announced('3 unread');
  expect(await titles()).toHaveLength(11);
});

test('when marking fails it stands as it was, and says why', async () => {
  await ui.show('inbox', { ...fullState(), failing: { 'inbox.markRead': 'offline' } });
  await open();
  await ui.click('button', 'Mark “Acme is won” as read');
  await ui.announced('You seem to be offline.');
  await ui.find('button', 'Inbox, 2 unread');
  await ui.find('button', 'Mark “Acme is won” as read');
});

test('a mark that failed is taken back also where nothing can be loaded', async () => {
  await ui.show('inbox', fullState());
  await open();
  await ui
    .page()
    .evaluate(() =>
      Object.assign(recorded.failing, { 'inbox.markRead': 'forbidden', 'inbox.page': 'offline' }),
    );
  await ui.click('button', 'Mark “Acme is won” as read');
  await ui.announced('Refused: forbidden.');
  await ui.find('button', 'Mark “Acme is won” as read');
  await ui.find('button', 'Inbox, 2 unread');
});

test('what could not be loaded comes by itself, and its error goes', async () => {
  await ui.show('inbox', { ...fullState(), failing: { 'inbox.page': 'internal' } });
  await ui.click('button', 'Inbox, 2 unread');
  await ui.announced('Refused: internal.');
  await ui.page().evaluate(() => {
    delete recorded.failing['inbox.page'];
    dispatchEvent(new Event('online'));
  });
  await ui.text('Acme is won');
  expect(await ui.texts()).not.toContain('Refused');
});

test('an open inbox is no second banner of the page', async () => {
  await ui.show('inbox', fullState());
  await open();
  expect(await ui.page().$$('::-p-aria([role="banner"])')).toHaveLength(0);
});

test('an empty inbox, one that loads and one that fails say so', async () => {
  await ui.show('inbox', {});
  await ui.click('button', 'Inbox');
  await ui.text('No messages yet.');
  await ui.show('inbox', { hanging: ['inbox.page'] });
  await ui.click('button', 'Inbox');
  await ui.text('Loading…');
  await ui.show('inbox', { ...fullState(), failing: { 'inbox.page': 'offline' } });
  await ui.click('button', 'Inbox, 2 unread');
  await ui.announced('You seem to be offline.');
  await ui.page().evaluate(() => delete recorded.failing['inbox.page']);
  await ui.click('button', 'Try again');
  await ui.text('Acme is won');
});

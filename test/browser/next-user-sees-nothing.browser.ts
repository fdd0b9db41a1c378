import { expect, test } from 'vitest';
import type { RecordedState } from './pages/recorded-client.ts';
import { fullState, message } from './support/component-states.ts';
import { useComponents } from './support/use-components.ts';

// Everything below one provider that has no key, as in an app that wraps all of itself.

const ui = useComponents();

const ben: RecordedState = {
  status: 'granted',
  inbox: [message(1, { title: 'For Ben' })],
  preferences: { timezone: 'Asia/Tokyo' },
};
const become = (userId: string | null, next?: RecordedState): Promise<void> =>
  ui.page().evaluate((id, state) => recorded.become(id, state), userId, next);
const letGo = (): Promise<number> => ui.page().evaluate(() => recorded.letGo());
/** Requests for `next` are never answered, and meanwhile nothing of another user may be shown. */
const slow = (next: RecordedState): RecordedState => ({
  ...next,
  hanging: [
    'inbox.page',
    'inbox.unreadCount',
    'alerts.list',
    'devices.list',
    'preferences.get',
    'topics.list',
  ],
});
const gone = async (...texts: string[]): Promise<void> => {
  for (const text of texts) await expect.poll(ui.texts).not.toContain(text);
};

for (const [way, between] of [
  ['from one to the other', false],
  ['by way of a sign-out', true],
] as const) {
  const change = async (next: RecordedState): Promise<void> => {
    if (between) await become(null);
    await become('ben', next);
  };

  test(`${way}: the inbox and its count are empty before anything is loaded, and then the next user's`, async () => {
    await ui.show('inbox', fullState());
    await ui.click('button', 'Inbox, 2 unread');
    await ui.text('Acme is won');
    await change(slow(ben));
    await gone('Acme is won');
    await ui.find('button', 'Inbox');
    expect(await ui.has('dialog', 'Inbox')).toBe(false);
    await become('carla', ben);
    await ui.click('button', 'Inbox, 1 unread');
    await ui.text('For Ben');
  });

  test(`${way}: alerts go, and with them a form that is open`, async () => {
    await ui.show('alerts', fullState());
    await ui.text('All-time high');
    await ui.click('button', 'New alert');
    await ui.fill('combobox', 'Symbol', 'SECRET');
    await change(slow(ben));
    await gone('All-time high');
    expect(await ui.page().$('form')).toBeNull();
    await become('carla', ben);
    await ui.text('No alerts yet');
    await ui.click('button', 'New alert');
    expect(await ui.page().$eval('form input', (input) => input.value)).toBe('DAX');
  });

  test(`${way}: devices, quiet hours, mutes and topics go`, async () => {
    await ui.show('settings', fullState());
    await ui.text('Firefox (Linux)');
    await ui.text('Product news');
    await change(slow(ben));
    await gone('Firefox (Linux)', 'Product news', 'Europe/Berlin', 'Deals and contacts');
  });
}

test('what was still being loaded for one user is not shown to the next', async () => {
  await ui.show('inbox', { ...fullState(), late: ['inbox.page', 'inbox.unreadCount'] });
  await ui.find('button', 'Inbox');
  await ui.page().waitForFunction(() => recorded.waiting() > 0);
  await become('ben', { ...ben, inbox: [] });
  await letGo();
  await ui.click('button', 'Inbox');
  await ui.text('No messages yet.');
});

test('answers to requests of one user are not mixed into the data of the next', async () => {
  await ui.show('alerts', { ...fullState(), late: ['alerts.create'] });
  await ui.click('button', 'New alert');
  await ui.fill('spinbutton', 'Value', '123456');
  await ui.click('button', 'Save alert');
  await ui.page().waitForFunction(() => recorded.waiting() > 0);
  await become('ben', ben);
  await ui.text('No alerts yet');
  await letGo();
  await ui.page().evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  await ui.text('No alerts yet');
});

test('the data of the next user is loaded even when their sync fails', async () => {
  await ui.show('inbox', fullState());
  await ui.find('button', 'Inbox, 2 unread');
  await become('ben', { ...ben, failing: { sync: 'failed' } });
  await ui.find('button', 'Inbox, 1 unread');
});

test('after a sign-out nothing is asked and nothing is shown, even where push is unsupported', async () => {
  await ui.show('inbox', { ...fullState(), status: 'unsupported' });
  await ui.find('button', 'Inbox, 2 unread');
  await become(null, { ...fullState(), status: 'unsupported' });
  await ui.find('button', 'Inbox');
});

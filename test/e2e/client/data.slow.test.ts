import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { InboxItem, PushClient } from '../../../src/device/client/push-client.ts';
import { type ClientBrowser, createBrowser, signIn, signUp } from '../../support/client-browser.ts';
import { clientRefusalOf } from '../../support/client-refusal.ts';
import { useStack } from '../../support/stack.ts';

const stack = useStack({ functions: false, workers: { net: false, cron: false } });
let browser: ClientBrowser;
let push: PushClient;
let user: { id: string; email: string };
let server: SupabaseClient;
const errors: Error[] = [];

beforeEach(async () => {
  server = createClient(stack().url, stack().secretKey, { auth: { persistSession: false } });
  browser = createBrowser(stack());
  user = await signUp(browser.supabase);
  errors.length = 0;
  push = browser.open({ onError: (error) => errors.push(error) });
});
afterEach(() => browser.close());

const notify = async (title: string, more: Record<string, unknown> = {}) => {
  const { data, error } = await server.rpc('push_notify', {
    p_user_id: user.id,
    p_message: { title, ...more },
  });
  if (error) throw error;
  return data as string;
};
const titles = (items: readonly InboxItem[]) => items.map(({ title, readAt }) => title + (readAt ? '' : '*'));

describe('preferences', () => {
  test('a user who never said anything has the defaults, and changes one thing at a time', async () => {
    const nothing = {
      enabled: true,
      timezone: null,
      locale: null,
      quietFrom: null,
      quietUntil: null,
      quietByWeekday: {},
      mutedCategories: [],
      receipts: true,
    };
    expect(await push.preferences.get()).toEqual(nothing);
    expect(await push.preferences.set({ locale: 'de-AT' })).toEqual({ ...nothing, locale: 'de-AT' });
    const quiet = {
      quietFrom: '22:00',
      quietUntil: '07:30',
      quietByWeekday: { 7: null, 6: { from: '23:00', until: '10:00' } },
    };
    const saved = await push.preferences.set(quiet);
    // A user is not asked for a timezone that the browser knows.
    const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    expect(saved).toEqual({ ...nothing, locale: 'de-AT', ...quiet, timezone });
    expect(await push.preferences.get()).toEqual(saved);
    await push.preferences.set({ timezone: 'Asia/Tokyo' });
    expect(await push.preferences.set({ quietFrom: '21:00:30' })).toMatchObject({
      timezone: 'Asia/Tokyo',
      quietFrom: '21:00:30',
    });
  });

  test('categories are muted and unmuted one by one, as the project describes them', async () => {
    const categories = [
      { key: 'feed', title: 'Likes' },
      { key: 'alarm', title: 'Alarms', critical: true },
    ];
    const { error } = await server.from('push_categories').upsert(categories);
    expect(error).toBeNull();
    expect(await push.preferences.categories()).toEqual([
      { key: 'alarm', title: 'Alarms', description: null, critical: true },
      { key: 'feed', title: 'Likes', description: null, critical: false },
    ]);
    await push.preferences.mute('feed');
    expect((await push.preferences.mute('alerts:DAX')).mutedCategories).toEqual(['feed', 'alerts:DAX']);
    expect((await push.preferences.mute('feed')).mutedCategories).toEqual(['feed', 'alerts:DAX']);
    expect((await push.preferences.unmute('feed')).mutedCategories).toEqual(['alerts:DAX']);
    expect((await push.preferences.unmute('never')).mutedCategories).toEqual(['alerts:DAX']);
  });

  test('a device differs, and those of others are out of reach', async () => {
    const { id } = await push.subscribe();
    const nothing = {
      enabled: null,
      timezone: null,
      quietFrom: null,
      quietUntil: null,
      quietByWeekday: null,
      mutedCategories: null,
    };
    expect(await push.preferences.device(id)).toEqual(nothing);
    expect(await push.preferences.setDevice(id, { enabled: false })).toEqual({ ...nothing, enabled: false });
    expect(await push.preferences.setDevice(id, { mutedCategories: [] })).toEqual({
      ...nothing,
      enabled: false,
      mutedCategories: [],
    });
    const stranger = createBrowser(stack());
    await signUp(stranger.supabase);
    const theirs = stranger.open();
    expect(await theirs.preferences.device(id)).toEqual(nothing);
    expect(await clientRefusalOf(theirs.preferences.setDevice(id, { enabled: true }))).toMatchObject({
      code: 'subscription_unknown',
      status: 404,
    });
    stranger.close();
  });

  test('what the database refuses surfaces with its code and hint', async () => {
    const refusal = await clientRefusalOf(push.preferences.set({ timezone: 'Europe/Wien' }));
    expect(refusal).toMatchObject({
      code: 'timezone_unknown',
      status: 400,
      hint: expect.stringContaining('IANA'),
    });
    expect(await browser.store.all('actions')).toEqual([]);
    await browser.supabase.auth.signOut();
    expect(await clientRefusalOf(push.preferences.set({ locale: 'de' }))).toMatchObject({
      code: 'not_signed_in',
    });
  });
});

test('topics are listed, joined twice without harm, and left', async () => {
  await server.from('push_topics').insert([
    { key: 'news', title: 'News', description: 'What is new' },
    { key: 'beta', title: 'Beta' },
  ]);
  await push.topics.join('news');
  await push.topics.join('news');
  expect(await push.topics.list()).toEqual([
    { key: 'beta', title: 'Beta', description: null, joined: false },
    { key: 'news', title: 'News', description: 'What is new', joined: true },
  ]);
  await push.topics.leave('news');
  expect((await push.topics.list()).some(({ joined }) => joined)).toBe(false);
  expect(await clientRefusalOf(push.topics.join('none'))).toMatchObject({
    code: 'topic_unknown',
    status: 404,
  });
});

describe('inbox', () => {
  test('pages follow each other, and what is read is marked', async () => {
    for (const title of ['one', 'two', 'three', 'four', 'five'])
      await notify(title, { category: title === 'two' ? 'news:app' : null, params: { some_key: title } });
    const first = await push.inbox.page({ limit: 2 });
    expect(titles(first)).toEqual(['five*', 'four*']);
    expect(first[0]).toMatchObject({ params: { some_key: 'five' }, audienceTopic: null, url: null });
    expect(titles(await push.inbox.page({ limit: 2, before: first[1] as InboxItem }))).toEqual([
      'three*',
      'two*',
    ]);
    expect(titles(await push.inbox.page({ category: 'news' }))).toEqual(['two*']);
    let changes = 0;
    const end = push.inbox.onChange(() => changes++);
    const ids = first.map(({ id }) => id);
    await push.inbox.markRead(ids);
    expect([await push.inbox.unreadCount(), changes]).toEqual([3, 1]);
    expect(titles(await push.inbox.page({ unreadOnly: true }))).toEqual(['three*', 'two*', 'one*']);
    await push.inbox.markUnread(ids.slice(0, 1));
    await push.inbox.markAllRead((await push.inbox.page())[1] as InboxItem);
    expect(titles(await push.inbox.page())).toEqual(['five*', 'four', 'three', 'two', 'one']);
    await push.inbox.markAllRead();
    expect([await push.inbox.unreadCount(), changes]).toEqual([0, 4]);
    end();
    await push.inbox.markUnread(ids);
    expect(changes).toBe(4);
  });

  test('other tabs and the service worker tell of changes', async () => {
    const id = await notify('one');
    const other = browser.open();
    const heard = new Promise<void>((resolve) => void other.inbox.onChange(resolve));
    await push.inbox.markRead([id]);
    await heard;
    const shown = new Promise<void>((resolve) => void push.inbox.onChange(resolve));
    browser.tellPages({ type: 'theirs' });
    browser.tellPages({ type: 'supapush', event: 'displayed' });
    await shown;
  });
});

describe('offline', () => {
  test('what is marked and preferred is kept, and made good in its order when the network is back', async () => {
    const [one, two] = [await notify('one'), await notify('two')];
    await push.preferences.set({ mutedCategories: ['a'], locale: 'de' });
    browser.online = false;
    await push.inbox.markRead([one, two]);
    await push.inbox.markUnread([two]);
    expect(await push.preferences.set({ locale: 'fr' })).toMatchObject({
      locale: 'fr',
      mutedCategories: ['a'],
    });
    expect((await push.preferences.mute('b')).mutedCategories).toEqual(['a', 'b']);
    expect(await clientRefusalOf(push.inbox.page())).toMatchObject({ code: 'offline', status: undefined });
    // Meanwhile another device of the user mutes something else.
    const phone = createBrowser(stack());
    await signIn(phone.supabase, user.email);
    await phone.open().preferences.mute('c');
    phone.close();

    const changed = new Promise<void>((resolve) => {
      let left = 2;
      push.inbox.onChange(() => --left === 0 && resolve());
    });
    browser.comeOnline();
    await changed;
    await push.sync();
    expect(await browser.store.all('actions')).toEqual([]);
    expect(titles(await push.inbox.page())).toEqual(['two*', 'one']);
    expect(await push.preferences.get()).toMatchObject({ locale: 'fr', mutedCategories: ['a', 'c', 'b'] });
    expect(errors).toEqual([]);
  });

  test('what is done next comes after what was kept, without waiting for an event', async () => {
    const id = await notify('one');
    browser.online = false;
    await push.inbox.markRead([id]);
    browser.online = true;
    await push.inbox.markUnread([id]);
    expect(titles(await push.inbox.page())).toEqual(['one*']);
  });

  test('"all read" marks nothing that came after it was said', async () => {
    await notify('seen');
    browser.online = false;
    await push.inbox.markAllRead();
    await notify('new');
    browser.online = true;
    await push.sync();
    expect(titles(await push.inbox.page())).toEqual(['new*', 'seen']);
  });

  test('what is refused when it is made good is told of and forgotten; the rest is done', async () => {
    const id = await notify('one');
    browser.online = false;
    await push.preferences.set({ timezone: 'Europe/Wien' });
    await push.inbox.markRead([id]);
    browser.online = true;
    await push.sync();
    expect(errors).toMatchObject([{ code: 'timezone_unknown' }]);
    expect([await browser.store.all('actions'), await push.inbox.unreadCount()]).toEqual([[], 0]);
  });

  test('what one user did is not done for another; it waits for them', async () => {
    const id = await notify('one');
    browser.online = false;
    await push.inbox.markRead([id]);
    await push.preferences.set({ locale: 'fr' });
    await browser.supabase.auth.signOut({ scope: 'local' });
    browser.online = true;
    await signUp(browser.supabase);
    await push.sync();
    expect((await push.preferences.get()).locale).toBeNull();
    await signIn(browser.supabase, user.email);
    await push.sync();
    expect([(await push.preferences.get()).locale, await push.inbox.unreadCount()]).toEqual(['fr', 0]);
  });

  test('a user is not answered with what another user of the same page had muted', async () => {
    const second = await signUp(browser.createSupabase());
    await push.preferences.mute('alerts:DAX');
    await signIn(browser.supabase, second.email);
    browser.online = false;
    expect((await push.preferences.mute('b')).mutedCategories).toEqual(['b']);
    expect(await push.preferences.set({ locale: 'fr' })).toMatchObject({ mutedCategories: ['b'] });
  });

  test('a category is muted at once: a read that fails is not made again', async () => {
    browser.online = false;
    expect((await push.preferences.mute('b')).mutedCategories).toEqual(['b']);
    expect(browser.requestsOffline).toBe(1);
  });

  test('what has waited for its turn is not done for a user who signed in meanwhile', async () => {
    const second = await signUp(browser.createSupabase());
    let free: () => void = () => undefined;
    // Another tab makes good what was kept there.
    const held = new Promise<void>((resolve) => {
      free = resolve;
    });
    void browser.environment.navigator.locks?.request('supapush actions', () => held);
    const refused = clientRefusalOf(push.preferences.set({ enabled: false }));
    await signIn(browser.supabase, second.email);
    free();
    expect(await refused).toMatchObject({ code: 'not_signed_in' });
    expect((await push.preferences.get()).enabled).toBe(true);
  });

  test('nothing is kept while signed out', async () => {
    await browser.supabase.auth.signOut();
    browser.online = false;
    expect(await clientRefusalOf(push.inbox.markRead(['x']))).toMatchObject({ code: 'offline' });
    expect(await browser.store.all('actions')).toEqual([]);
  });
});

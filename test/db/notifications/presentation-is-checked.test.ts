import type postgres from 'postgres';
import { beforeEach, expect, test } from 'vitest';
import { asService, createUser } from '../../support/postgres.ts';
import { claimOne, clearQueue, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
let user: string;
beforeEach(async () => {
  const { sql } = db();
  await clearQueue(sql);
  user = (await createUser(sql)).id;
  await subscribe(sql, user);
});

const EVERYTHING = {
  icon: '/icon.png',
  badge: 'https://cdn.example/badge.png',
  image: '/image.jpg?size=2',
  actions: [
    { action: 'open', title: 'Open', url: '/deals/7', icon: '/open.png' },
    { action: 'later', title: 'Later' },
  ],
  require_interaction: true,
  silent: false,
  vibrate: [200, 100, 200],
  renotify: true,
  app_badge: 3,
  sound: 'chime.caf',
  channel: 'Trades & orders',
  thread: 'deal:7',
  interruption_level: 'time-sensitive',
};

function insert(presentation: unknown) {
  return asService(
    db().sql,
    (t) => t`
      insert into public.push_notifications (user_id, title, presentation)
      values (${user}, 'Hello', ${t.json(presentation as postgres.JSONValue)})`,
  );
}

test.each<[string, unknown]>([
  ['nothing', {}],
  ['everything', EVERYTHING],
  ['no actions', { actions: [] }],
  [
    'eight actions',
    { actions: Array.from({ length: 8 }, (_, index) => ({ action: `${index}`, title: 'x' })) },
  ],
  ['the longest vibration', { vibrate: Array.from({ length: 32 }, () => 10_000) }],
  ['silence', { silent: true }],
  ['the default sound', { sound: 'default' }],
  ['a badge of 0', { app_badge: 0 }],
  ['the lowest level', { interruption_level: 'passive' }],
  ['the highest level', { interruption_level: 'critical' }],
])('%s is accepted, and a dispatcher gets it', async (_what, presentation) => {
  await insert(presentation);
  expect((await claimOne(db().sql, startOfClock())).presentation).toEqual(presentation);
});

const action = { action: 'a', title: 'x' };

test.each<[string, unknown, string]>([
  ['text', 'x', 'object'],
  ['a list', [], 'object'],
  ['an unknown member', { noise: 'x' }, 'noise'],
  ['a sound that is a path', { sound: '/chime.mp3' }, 'sound'],
  ['a sound of another folder', { sound: '../chime' }, 'sound'],
  ['a sound that is an object', { sound: { name: 'x' } }, 'sound'],
  ['an empty sound', { sound: '' }, 'sound'],
  ['silence with a sound', { silent: true, sound: 'chime' }, 'silent'],
  ['a badge of text', { app_badge: '3' }, 'app_badge'],
  ['a negative badge', { app_badge: -1 }, 'app_badge'],
  ['half a badge', { app_badge: 1.5 }, 'app_badge'],
  ['a badge of a million', { app_badge: 1_000_000 }, 'app_badge'],
  ['a badge that is null', { app_badge: null }, 'app_badge'],
  ['an empty channel', { channel: '' }, 'channel'],
  ['a channel of 101 bytes', { channel: 'x'.repeat(101) }, 'channel'],
  ['a channel that is a number', { channel: 1 }, 'channel'],
  ['a thread with a line break', { thread: 'a\nb' }, 'thread'],
  ['an unknown level', { interruption_level: 'loud' }, 'interruption_level'],
  ['a level that is null', { interruption_level: null }, 'interruption_level'],
  [
    'two actions of one key',
    {
      actions: [
        { action: 'a', title: 'x' },
        { action: 'a', title: 'y' },
      ],
    },
    'action',
  ],
  ['the browser’s name of a member', { requireInteraction: true }, 'requireInteraction'],
  ['an icon that is no text', { icon: 1 }, 'icon'],
  ['an icon elsewhere', { icon: '//evil.example/x.png' }, 'icon'],
  ['an icon of data', { badge: 'data:image/png;base64,AA' }, 'badge'],
  ['an image with a space', { image: '/a b' }, 'image'],
  ['an image that is too long', { image: `/${'x'.repeat(2048)}` }, 'image'],
  ['silence that is text', { silent: 'true' }, 'silent'],
  ['interaction that is a number', { require_interaction: 1 }, 'require_interaction'],
  ['renotify that is null', { renotify: null }, 'renotify'],
  ['a vibration that is a number', { vibrate: 200 }, 'vibrate'],
  ['a vibration without numbers', { vibrate: [] }, 'vibrate'],
  ['a vibration of text', { vibrate: ['200'] }, 'vibrate'],
  ['a negative vibration', { vibrate: [-1] }, 'vibrate'],
  ['a vibration of half milliseconds', { vibrate: [0.5] }, 'vibrate'],
  ['a vibration of minutes', { vibrate: [60_000] }, 'vibrate'],
  ['33 vibrations', { vibrate: Array.from({ length: 33 }, () => 1) }, 'vibrate'],
  ['a silent vibration', { silent: true, vibrate: [200] }, 'silent'],
  ['actions that are an object', { actions: {} }, 'actions'],
  ['nine actions', { actions: Array.from({ length: 9 }, () => action) }, 'actions'],
  ['an action that is text', { actions: ['a'] }, 'action'],
  ['an action without an action', { actions: [{ title: 'x' }] }, 'action'],
  ['an action without a title', { actions: [{ action: 'a' }] }, 'title'],
  ['an action with an empty title', { actions: [{ action: 'a', title: ' ' }] }, 'title'],
  ['an action with a long title', { actions: [{ action: 'a', title: 'x'.repeat(201) }] }, 'title'],
  ['an action with a long name', { actions: [{ action: 'x'.repeat(101), title: 'x' }] }, 'action'],
  ['an action with a number', { actions: [{ action: 1, title: 'x' }] }, 'text'],
  ['an action with more', { actions: [{ ...action, navigate: '/x' }] }, 'action'],
  ['an action that leads elsewhere', { actions: [{ ...action, url: 'javascript:alert(1)' }] }, 'url'],
  ['an action with an icon elsewhere', { actions: [{ ...action, icon: '//x' }] }, 'icon'],
])('%s is refused', async (_what, presentation, named) => {
  const refusal = await refusalOf(insert(presentation));
  expect(refusal).toMatchObject({
    sqlstate: 'PT400',
    code: 'presentation_malformed',
    message: expect.stringContaining(named),
    hint: expect.stringMatching(/\S/),
  });
});

test('it is refused at update as at insert', async () => {
  const { sql } = db();
  await insert({ silent: true });
  const update = asService(
    sql,
    (t) => t`update public.push_notifications set presentation = '{"icon": "x"}'`,
  );
  expect(await refusalOf(update)).toMatchObject({ code: 'presentation_malformed' });
});

test('it counts in the size of the message', async () => {
  const links = { icon: `/${'i'.repeat(1500)}`, image: `/${'j'.repeat(1500)}` };
  await insert(links);
  const refusal = await refusalOf(insert({ ...links, badge: `/${'k'.repeat(1000)}` }));
  expect(refusal).toMatchObject({ sqlstate: 'PT413', code: 'notification_too_large' });
  expect(refusal.message).toMatch(/presentation 40\d\d/);
});

test('through the functions, too', async () => {
  const { sql } = db();
  await sql`select push.notify(${user}, 'Hello', p_presentation => ${sql.json(EVERYTHING)})`;
  await sql`select push.notify_many(array[${user}]::uuid[], 'Hello', p_presentation => ${sql.json(EVERYTHING)})`;
  const rows = await sql`select presentation from public.push_notifications`;
  expect([...rows]).toEqual([{ presentation: EVERYTHING }, { presentation: EVERYTHING }]);
});

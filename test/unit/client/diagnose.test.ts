import { describe, expect, test } from 'vitest';
import type { DeviceRow } from '../../../src/device/client/devices.ts';
import {
  type BrowserState,
  diagnose,
  type ProjectState,
  type Repair,
  type SessionState,
  type StoreState,
} from '../../../src/device/client/diagnose.ts';

const KEY = 'BAEC';
const OLD_KEY = 'BAED';
const ENDPOINT = 'https://push.example/1';
const AGENT = 'Firefox 150';

const subscription = (key: string | null = KEY, endpoint = ENDPOINT): BrowserState['subscription'] => ({
  endpoint,
  options: {
    userVisibleOnly: true,
    applicationServerKey: key === null ? null : Uint8Array.from(Buffer.from(key, 'base64url')).buffer,
  },
});
const browser = (changes: Partial<BrowserState> = {}): BrowserState => ({
  permission: 'granted',
  userAgent: AGENT,
  subscription: subscription(),
  ...changes,
});
const known = (vapid_key = KEY, endpoint = ENDPOINT): StoreState['subscription'] => ({
  endpoint,
  p256dh: 'p',
  auth: 'a',
  vapid_key,
});
const store = (changes: Partial<StoreState> = {}): StoreState => ({
  subscription: known(),
  releasedEndpoint: undefined,
  userId: 'anna',
  ...changes,
});
const EMPTY: StoreState = { subscription: undefined, releasedEndpoint: undefined, userId: undefined };
const AFTER_SIGN_OUT: StoreState = { ...EMPTY, releasedEndpoint: ENDPOINT, userId: 'anna' };
const row = (changes: Partial<DeviceRow> = {}): ProjectState => ({
  vapidKey: KEY,
  row: { endpoint: ENDPOINT, vapidKey: KEY, userAgent: AGENT, ...changes } as DeviceRow,
});
const answer = (found: 'none' | 'removed' | 'taken'): ProjectState => ({ vapidKey: KEY, row: found });
const ANNA: SessionState = { userId: 'anna' };
const ASKED: SessionState = { userId: 'anna', asked: 'subscribe' };

type Row = [what: string, BrowserState, StoreState, ProjectState | undefined, SessionState, Repair];
const NO_SUBSCRIPTION = browser({ subscription: null });
const DENIED = browser({ permission: 'denied', subscription: null });
const NOT_ASKED_YET = browser({ permission: 'default', subscription: null });

// The table of docs/design/client.md. "Anna" is signed in unless it says otherwise.
const TABLE: Record<string, Row[]> = {
  'no session': [
    ['a device that is registered', browser(), store(), undefined, { userId: null }, 'release'],
    ['a subscription without a note', browser(), EMPTY, undefined, { userId: null }, 'release'],
    ['nothing here', NO_SUBSCRIPTION, EMPTY, undefined, { userId: null }, 'release'],
    ['permission is denied, too', DENIED, store(), undefined, { userId: null }, 'release'],
  ],
  'a sign-out': [
    ['of the owner', browser(), store(), undefined, { userId: null, signedOut: 'anna' }, 'release'],
    [
      'of the user before the owner',
      browser(),
      store(),
      undefined,
      { userId: null, signedOut: 'ben' },
      'nothing',
    ],
    [
      'of a user the page never learnt of',
      browser(),
      store(),
      undefined,
      { userId: null, signedOut: null },
      'nothing',
    ],
    ['with no owner', browser(), EMPTY, undefined, { userId: null, signedOut: 'ben' }, 'release'],
  ],
  'unsubscribe()': [
    ['by the owner', browser(), store(), undefined, { userId: 'anna', asked: 'unsubscribe' }, 'give-up'],
    ['by another user', browser(), store(), undefined, { userId: 'ben', asked: 'unsubscribe' }, 'give-up'],
    ['without a session', browser(), store(), undefined, { userId: null, asked: 'unsubscribe' }, 'give-up'],
    ['without permission', DENIED, store(), undefined, { userId: 'anna', asked: 'unsubscribe' }, 'give-up'],
  ],
  'no permission any more': [
    ['refused', DENIED, store(), undefined, ANNA, 'delete'],
    ['taken back', NOT_ASKED_YET, store(), undefined, ANNA, 'delete'],
    ['refused, on the device of another user', DENIED, store(), undefined, { userId: 'ben' }, 'delete'],
    ['never given', NOT_ASKED_YET, EMPTY, undefined, ANNA, 'nothing'],
    ['refused from the beginning', DENIED, EMPTY, undefined, ANNA, 'nothing'],
  ],
  'nothing of this user is here': [
    ['a browser with permission alone', NO_SUBSCRIPTION, EMPTY, undefined, ANNA, 'nothing'],
    [
      'after the sign-out of another user',
      NO_SUBSCRIPTION,
      AFTER_SIGN_OUT,
      undefined,
      { userId: 'ben' },
      'nothing',
    ],
  ],
  'the project has to be asked': [
    ['a device that is registered', browser(), store(), undefined, ANNA, 'ask'],
    ['after a sign-out, the same user again', NO_SUBSCRIPTION, AFTER_SIGN_OUT, undefined, ANNA, 'ask'],
    ['a subscription that the browser lost', NO_SUBSCRIPTION, store(), undefined, ANNA, 'ask'],
    ['a subscription without a note', browser(), EMPTY, undefined, ANNA, 'ask'],
    [
      'another user’s device, left without a sign-out',
      browser(),
      store(),
      undefined,
      { userId: 'ben' },
      'hand-over',
    ],
    ['the same, without a subscription', NO_SUBSCRIPTION, store(), undefined, { userId: 'ben' }, 'hand-over'],
  ],
  'made with another VAPID key': [
    [
      'as the browser says',
      browser({ subscription: subscription(OLD_KEY) }),
      store(),
      row(),
      ANNA,
      'subscribe',
    ],
    [
      'as the store says',
      browser({ subscription: subscription(null) }),
      store({ subscription: known(OLD_KEY) }),
      row(),
      ANNA,
      'subscribe',
    ],
    [
      'on another user’s device',
      browser({ subscription: subscription(OLD_KEY) }),
      store(),
      answer('none'),
      { userId: 'ben' },
      'subscribe',
    ],
    [
      'nothing says with which: it may be this one',
      browser({ subscription: subscription(null) }),
      EMPTY,
      row(),
      ANNA,
      'keep',
    ],
  ],
  'an endpoint to which nothing can be sent': [
    [
      '',
      browser({ subscription: subscription(KEY, 'https://permanently-removed.invalid/x') }),
      store(),
      answer('none'),
      ANNA,
      'subscribe',
    ],
  ],
  'no subscription': [
    ['and the store knows one', NO_SUBSCRIPTION, store(), answer('none'), ANNA, 'subscribe'],
    [
      'after a sign-out, the same user again',
      NO_SUBSCRIPTION,
      AFTER_SIGN_OUT,
      answer('none'),
      ANNA,
      'subscribe',
    ],
    ['and the user asks for one', NO_SUBSCRIPTION, EMPTY, answer('none'), ASKED, 'subscribe'],
  ],
  'a subscription, and no row': [
    ['though this user’s was registered', browser(), store(), answer('none'), ANNA, 'subscribe'],
    ['and the store knows of nothing', browser(), EMPTY, answer('none'), ANNA, 'write'],
    [
      'and another one was registered',
      browser(),
      store({ subscription: known(KEY, 'https://push.example/0') }),
      answer('none'),
      ANNA,
      'write',
    ],
  ],
  'its user has removed it on another device': [
    ['', browser(), store(), answer('removed'), ANNA, 'give-up'],
    ['and has signed out and in since', NO_SUBSCRIPTION, AFTER_SIGN_OUT, answer('removed'), ANNA, 'give-up'],
  ],
  'a row of another user': [
    ['the database hands it over', browser(), store(), answer('none'), { userId: 'ben' }, 'write'],
    ['with other keys', browser(), store(), answer('taken'), { userId: 'ben' }, 'subscribe'],
    ['with other keys, when asked for', browser(), EMPTY, answer('taken'), ASKED, 'subscribe'],
  ],
  'a row of this user': [
    ['that is as it should be', browser(), store(), row(), ANNA, 'keep'],
    ['of which the store knows nothing', browser(), EMPTY, row(), ANNA, 'keep'],
    ['with another VAPID key', browser(), store(), row({ vapidKey: OLD_KEY }), ANNA, 'write'],
    ['of a browser before its update', browser(), store(), row({ userAgent: 'Firefox 149' }), ANNA, 'write'],
    ['that is as it should be, when asked for', browser(), store(), row(), ASKED, 'keep'],
  ],
};

describe.each(Object.entries(TABLE))('%s', (_case, rows) => {
  test.each(rows)('%s', (_what, browser, store, project, session, repair) => {
    expect(diagnose(browser, store, project, session)).toBe(repair);
  });
});

/** Every state that a device can be in, as far as the diagnosis tells them apart. */
function* allStates(): Generator<Parameters<typeof diagnose>> {
  const subscriptions = [
    null,
    subscription(),
    subscription(OLD_KEY),
    subscription(null),
    subscription(KEY, 'https://permanently-removed.invalid/x'),
  ];
  const notes = [undefined, known(), known(OLD_KEY), known(KEY, 'https://push.example/0')];
  const answers = [
    undefined,
    answer('none'),
    answer('removed'),
    answer('taken'),
    row(),
    row({ vapidKey: OLD_KEY }),
    row({ userAgent: 'Firefox 149' }),
  ];
  const sessions: SessionState[] = [
    { userId: null },
    { userId: null, signedOut: 'anna' },
    { userId: null, signedOut: null },
    { userId: null, asked: 'unsubscribe' },
    { userId: 'anna' },
    { userId: 'anna', asked: 'unsubscribe' },
    { userId: 'anna', asked: 'subscribe' },
  ];
  for (const permission of ['default', 'denied', 'granted', undefined] as const)
    for (const subscription of subscriptions)
      for (const note of notes)
        for (const userId of [undefined, 'anna', 'ben'])
          for (const project of answers)
            for (const session of sessions)
              yield [
                browser({ permission, subscription }),
                { subscription: note, releasedEndpoint: undefined, userId },
                project,
                session,
              ];
}

test('in all states: nothing is registered without a user, permission and an answer of the project', () => {
  const seen = new Set<Repair>();
  let states = 0;
  for (const state of allStates()) {
    const [{ permission, subscription }, , project, { userId, asked }] = state;
    const repair = diagnose(...state);
    states++;
    seen.add(repair);
    const what = JSON.stringify([repair, ...state]);
    if (['keep', 'write', 'subscribe'].includes(repair)) {
      expect(userId, what).not.toBeNull();
      expect(permission === 'granted' || asked === 'subscribe', what).toBe(true);
      expect(project, what).toBeDefined();
    }
    if (repair === 'ask' || repair === 'hand-over') expect(project, what).toBeUndefined();
    if (repair === 'keep') expect(project?.row, what).toBeTypeOf('object');
    if (repair === 'keep' || repair === 'write') expect(subscription, what).not.toBeNull();
    if (asked === 'unsubscribe') expect(repair, what).toBe('give-up');
  }
  expect(states).toBe(4 * 5 * 4 * 3 * 7 * 7);
  expect([...seen].sort()).toEqual([
    'ask',
    'delete',
    'give-up',
    'hand-over',
    'keep',
    'nothing',
    'release',
    'subscribe',
    'write',
  ]);
});

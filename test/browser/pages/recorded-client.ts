import type {
  Alert,
  AlertInput,
  Category,
  Device,
  InboxItem,
  Preferences,
  PushClient,
  PushStatus,
  Topic,
} from '../../../src/device/client/index.ts';
import { exampleAlert } from './example-alert.ts';

/** How a project stands, as far as a component shows it. */
export interface RecordedState {
  status?: PushStatus;
  devices?: Device[];
  preferences?: Partial<Preferences>;
  categories?: Category[];
  topics?: Topic[];
  inbox?: InboxItem[];
  alerts?: Alert[];
  quotes?: Record<string, number>;
  /** Methods that fail, by their path: with this code. */
  failing?: Record<string, string>;
  /** Methods that never answer. */
  hanging?: string[];
  /** Methods whose answers, of the moment they are asked, arrive with `Recorded.letGo()`. */
  late?: string[];
}

export interface Recorded {
  client: PushClient;
  /** What was asked to change something, and with what. */
  calls: unknown[][];
  /** Methods that fail from now on. */
  failing: Record<string, string>;
  /** Messages that come from now on. */
  arrive(item: InboxItem): void;
  /** Another user signs in, and `next` is what they have; null: no user does, and the session is over. */
  become(userId: string | null, next?: RecordedState): void;
  letGo(): number;
  /** How many answers wait to be let go. */
  waiting(): number;
}

const PREFERENCES: Preferences = {
  enabled: true,
  timezone: null,
  locale: null,
  quietFrom: null,
  quietUntil: null,
  quietByWeekday: {},
  mutedCategories: [],
  receipts: true,
};

/** A client that keeps everything in memory: states of components that a real project takes long to get into. */
export function recordedClient(first: RecordedState = {}): Recorded {
  const calls: unknown[][] = [];
  const failing: Record<string, string> = {};
  let state: RecordedState;
  let status: PushStatus = 'unknown';
  let devices: Device[];
  let preferences: Preferences;
  let topics: Topic[];
  let inbox: InboxItem[];
  let alerts: Alert[];
  const beginWith = (next: RecordedState): void => {
    state = next;
    for (const path of Object.keys(failing)) delete failing[path];
    Object.assign(failing, next.failing);
    devices = [...(next.devices ?? [])];
    preferences = { ...PREFERENCES, ...next.preferences };
    topics = [...(next.topics ?? [])];
    inbox = [...(next.inbox ?? [])];
    alerts = [...(next.alerts ?? [])];
  };
  beginWith(first);
  const gates: (() => void)[] = [];
  const userListeners = new Set<(userId: string | null) => void>();
  const disabled = new Set<string>();
  const statusListeners = new Set<(status: PushStatus) => void>();
  const inboxListeners = new Set<() => void>();

  const setStatus = (next: PushStatus): PushStatus => {
    status = next;
    for (const listener of statusListeners) listener(next);
    return next;
  };
  const answer = async <T>(path: string, work: () => T): Promise<T> => {
    await Promise.resolve();
    if (state.hanging?.includes(path)) await new Promise(() => undefined);
    const code = failing[path];
    if (code) throw Object.assign(new Error(`Refused: ${code}.`), { code, hint: 'Do something else.' });
    const result = work();
    if (state.late?.includes(path)) await new Promise<void>((resolve) => gates.push(resolve));
    return result;
  };
  const change = <T>(path: string, args: unknown[], work: () => T): Promise<T> => {
    calls.push([path, ...args]);
    return answer(path, work);
  };
  const mark = (ids: readonly string[] | null, readAt: string | null): void => {
    inbox = inbox.map((item) => (ids === null || ids.includes(item.id) ? { ...item, readAt } : item));
    for (const listener of inboxListeners) listener();
  };
  const listen = <L>(listeners: Set<L>, listener: L): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const devicePreferences = (id: string) => ({
    enabled: disabled.has(id) ? false : null,
    timezone: null,
    quietFrom: null,
    quietUntil: null,
    quietByWeekday: null,
    mutedCategories: null,
  });

  const client: PushClient = {
    get status() {
      return status;
    },
    onStatusChange: (listener) => listen(statusListeners, listener),
    onUserChange: (listener) => listen(userListeners, listener),
    onOpen: () => () => undefined,
    isSupported: () => status !== 'unsupported',
    sync: () => answer('sync', () => setStatus(state.status ?? 'subscribed')),
    subscribe: () =>
      change('subscribe', [], () => {
        const device: Device = {
          id: 'this',
          name: 'Firefox (Linux)',
          channel: 'webpush',
          deviceType: 'desktop',
          userAgent: null,
          createdAt: new Date().toISOString(),
          lastUsedAt: null,
          current: true,
        };
        devices = [device, ...devices];
        setStatus('subscribed');
        return device;
      }),
    unsubscribe: (options) => change('unsubscribe', [options], () => void setStatus('granted')),
    signOut: (options) =>
      change('signOut', [options], () => {
        setStatus('signed-out');
        return true;
      }),
    sendTest: () => change('sendTest', [], () => 'test'),
    devices: {
      list: () => answer('devices.list', () => devices),
      remove: (id) =>
        change('devices.remove', [id], () => {
          if (devices.find((device) => device.id === id)?.current) setStatus('granted');
          devices = devices.filter((device) => device.id !== id);
        }),
    },
    preferences: {
      get: () => answer('preferences.get', () => preferences),
      set: (changes) =>
        change('preferences.set', [changes], () => {
          preferences = { ...preferences, ...changes };
          return preferences;
        }),
      mute: (key) =>
        change('preferences.mute', [key], () => {
          preferences = { ...preferences, mutedCategories: [...preferences.mutedCategories, key] };
          return preferences;
        }),
      unmute: (key) =>
        change('preferences.unmute', [key], () => {
          const mutedCategories = preferences.mutedCategories.filter((muted) => muted !== key);
          preferences = { ...preferences, mutedCategories };
          return preferences;
        }),
      device: (id) => answer('preferences.device', () => devicePreferences(id)),
      setDevice: (id, changes) =>
        change('preferences.setDevice', [id, changes], () => {
          if (changes.enabled === false) disabled.add(id);
          else disabled.delete(id);
          return devicePreferences(id);
        }),
      categories: () => answer('preferences.categories', () => state.categories ?? []),
    },
    topics: {
      list: () => answer('topics.list', () => topics),
      join: (key) => change('topics.join', [key], () => setJoined(key, true)),
      leave: (key) => change('topics.leave', [key], () => setJoined(key, false)),
    },
    inbox: {
      page: ({ limit = 20, before, unreadOnly } = {}) =>
        answer('inbox.page', () => {
          const first = before ? inbox.findIndex(({ id }) => id === before.id) + 1 : 0;
          const wanted = inbox.slice(first).filter(({ readAt }) => !unreadOnly || readAt === null);
          return wanted.slice(0, limit);
        }),
      unreadCount: () =>
        answer('inbox.unreadCount', () =>
          Math.min(100, inbox.filter(({ readAt }) => readAt === null).length),
        ),
      markRead: (ids) => change('inbox.markRead', [ids], () => mark(ids, new Date().toISOString())),
      markUnread: (ids) => change('inbox.markUnread', [ids], () => mark(ids, null)),
      markAllRead: (newest) =>
        change('inbox.markAllRead', [newest?.id], () => mark(null, new Date().toISOString())),
      onChange: (listener) => listen(inboxListeners, listener),
    },
    alerts: {
      list: () => answer('alerts.list', () => alerts),
      create: (input) =>
        change('alerts.create', [input], () => {
          const alert: Alert = { ...exampleAlert, ...defined(input), id: `alert-${alerts.length + 1}` };
          alerts = [alert, ...alerts];
          return alert;
        }),
      update: (id, input) =>
        change('alerts.update', [id, input], () => {
          const found = alerts.find((alert) => alert.id === id) ?? exampleAlert;
          const disabledReason = input.enabled === false ? 'switched_off' : null;
          const alert: Alert = { ...found, ...defined(input), disabledReason };
          alerts = alerts.map((other) => (other.id === id ? alert : other));
          return alert;
        }),
      delete: (id) =>
        change('alerts.delete', [id], () => {
          alerts = alerts.filter((alert) => alert.id !== id);
        }),
      quote: (symbol) =>
        answer('alerts.quote', () => {
          const value = state.quotes?.[symbol];
          if (value === undefined) return null;
          return { symbol, value, quotedAt: new Date().toISOString(), source: null };
        }),
    },
    dispose: () => undefined,
  };
  const setJoined = (key: string, joined: boolean): void => {
    topics = topics.map((topic) => (topic.key === key ? { ...topic, joined } : topic));
  };
  return {
    client,
    calls,
    failing,
    arrive(item) {
      inbox = [item, ...inbox];
      for (const listener of inboxListeners) listener();
    },
    become(userId, next = { status: 'signed-out' }) {
      beginWith(next);
      setStatus('unknown');
      for (const listener of userListeners) listener(userId);
    },
    letGo() {
      const open = gates.splice(0);
      for (const gate of open) gate();
      return open.length;
    },
    waiting: () => gates.length,
  };
}

function defined(input: Partial<AlertInput>): Partial<Required<AlertInput>> {
  const entries = Object.entries(input).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<Required<AlertInput>>;
}

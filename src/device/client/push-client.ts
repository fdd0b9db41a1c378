/**
 * How push stands on this device, for this user:
 *
 * - `unknown`: `sync()` has not said yet, as on a server that renders the page
 * - `unsupported`: this browser cannot, or the page is not on https
 * - `needs-install`: iOS and iPadOS can, once the page was added to the Home Screen
 * - `denied`: the user refused, and only the browser's own settings can change that
 * - `signed-out`: it can, but no user is signed in
 * - `default`: the user was not asked yet
 * - `granted`: the user has allowed it, and this device is not registered
 * - `subscribed`: messages come
 */
export type PushStatus =
  | 'unknown'
  | 'unsupported'
  | 'needs-install'
  | 'denied'
  | 'signed-out'
  | 'default'
  | 'granted'
  | 'subscribed';

/** One device of the user who is signed in. Moments are ISO 8601 with microseconds, as the database has them. */
export interface Device {
  readonly id: string;
  /** `deviceName`, or browser and system, such as `Firefox (Linux)`; null for what was registered without the client. */
  readonly name: string | null;
  readonly channel: 'webpush' | 'fcm';
  readonly deviceType: 'desktop' | 'mobile' | 'tablet' | 'unknown';
  readonly userAgent: string | null;
  readonly createdAt: string;
  /** When a push service last took a message for it. */
  readonly lastUsedAt: string | null;
  /** Whether it is the one that this page runs on. */
  readonly current: boolean;
}

/** `HH:MM`, or `HH:MM:SS`; `24:00` is midnight at the end of a day. */
export type ClockTime = string;

/** Other quiet hours for the periods that begin on a weekday (ISO: 1 is Monday); null is none. */
export type QuietByWeekday = {
  readonly [weekday in 1 | 2 | 3 | 4 | 5 | 6 | 7]?: {
    readonly from: ClockTime;
    readonly until: ClockTime;
  } | null;
};

/** What a user wants to get, and when. A user without preferences gets everything at once. */
export interface Preferences {
  readonly enabled: boolean;
  /** IANA name. Filled in from the browser where quiet hours are set without one. */
  readonly timezone: string | null;
  /** BCP 47 */
  readonly locale: string | null;
  readonly quietFrom: ClockTime | null;
  readonly quietUntil: ClockTime | null;
  readonly quietByWeekday: QuietByWeekday;
  /** `alerts` mutes `alerts:DAX` too. */
  readonly mutedCategories: readonly string[];
  /** False: this user's devices do not report what was displayed, clicked or dismissed. */
  readonly receipts: boolean;
}

/** Where one device differs: what is not null counts instead of what the user said. */
export interface DevicePreferences {
  readonly enabled: boolean | null;
  readonly timezone: string | null;
  readonly quietFrom: ClockTime | null;
  readonly quietUntil: ClockTime | null;
  /** `{}` alone says that this device has no quiet hours. */
  readonly quietByWeekday: QuietByWeekday | null;
  readonly mutedCategories: readonly string[] | null;
}

/** What messages are about, as the project describes it to those who mute it. */
export interface Category {
  readonly key: string;
  readonly title: string;
  readonly description: string | null;
  readonly critical: boolean;
}

/** An audience that the user may join and leave. */
export interface Topic {
  readonly key: string;
  readonly title: string;
  readonly description: string | null;
  readonly joined: boolean;
}

/** One message in the inbox. */
export interface InboxItem {
  readonly id: string;
  readonly title: string;
  readonly body: string | null;
  readonly url: string | null;
  readonly params: Readonly<Record<string, unknown>>;
  readonly presentation: Readonly<Record<string, unknown>>;
  readonly category: string | null;
  readonly tag: string | null;
  /** The topic it was sent to; null for what was sent to this user alone. */
  readonly audienceTopic: string | null;
  /** Kept as text: a `Date` would lose its microseconds, by which pages follow each other. */
  readonly sendAt: string;
  readonly readAt: string | null;
}

/** A value that alerts look at. */
export interface Quote {
  readonly symbol: string;
  readonly value: number;
  readonly quotedAt: string;
  readonly source: string | null;
}

type Crossing = 'above' | 'below' | 'crosses_above' | 'crosses_below' | 'crosses';

/** What a user wants to be told of a symbol's value. */
export interface AlertInput {
  readonly symbol: string;
  readonly condition: Crossing | 'percent_change' | 'level';
  /** The value; for `percent_change` the percentage. */
  readonly threshold?: number | null;
  /** For `percent_change`: 1, 5, 10, 15, 30, 60, 120, 240, 480, 720 or 1440. */
  readonly windowMinutes?: number;
  readonly direction?: 'up' | 'down' | 'either' | null;
  /** For `level`: its name, such as `yesterday_high`. */
  readonly level?: string | null;
  readonly levelCondition?: Crossing | null;
  readonly hysteresis?: number;
  readonly hysteresisUnit?: 'absolute' | 'percent';
  /** A Postgres interval, such as `1 hour`. */
  readonly cooldown?: string;
  readonly recurring?: boolean;
  readonly expiresAt?: string | null;
  readonly activeFrom?: ClockTime | null;
  readonly activeUntil?: ClockTime | null;
  /** Filled in from the browser where active hours are set without one. */
  readonly timezone?: string | null;
  /** What the user calls it. */
  readonly setup?: string | null;
  readonly title?: string | null;
  readonly body?: string | null;
  readonly urgency?: 'very-low' | 'low' | 'normal' | 'high';
  readonly enabled?: boolean;
}

/** An alert, and how it stands. */
export interface Alert extends Required<AlertInput> {
  readonly id: string;
  readonly armed: boolean;
  readonly lastSide: 'above' | 'below' | 'at' | 'between' | null;
  readonly levelPrice: number | null;
  readonly lastFiredAt: string | null;
  readonly timesFired: number;
  readonly heldBack: number;
  readonly disabledReason: 'fired' | 'expired' | 'switched_off' | 'failed' | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface InboxPageOptions {
  /** 20 unless given, 100 at most. */
  limit?: number;
  /** The last item of the page before. */
  before?: InboxItem;
  unreadOnly?: boolean;
  /** With all that is below it. */
  category?: string;
}

export interface PushClientOptions {
  /** The app's service worker: where its script is, or what `register()` gave. `/sw.js` unless given. */
  serviceWorker?: string | URL | ServiceWorkerRegistration;
  /** What the service worker is registered for; the script's folder unless given. */
  scope?: string;
  /** Where Edge Functions answer; that of the Supabase client unless given. */
  functionsUrl?: string;
  /** What this device is called in lists; browser and system unless given. */
  deviceName?: string;
  /** Whether `inbox.onChange` listens to Realtime, for which `push_notifications` must be in its publication. */
  realtime?: boolean;
  /** Gets errors of work in the background, which no caller waits for; `console.warn` unless given. */
  onError?: (error: Error) => void;
  /**
   * Who is signed in, where the Supabase client does not know, because it was made with `accessToken`: the id in `auth.users`,
   * which is the claim `sub`. Null when no user is signed in.
   */
  userId?: () => string | null | undefined | Promise<string | null | undefined>;
  /** Goes with `userId`: calls the listener when another user is signed in, or none (null); returns a function that ends that. */
  onUserChange?: (listener: (userId: string | null) => void) => () => void;
}

export interface SignOutOptions {
  /** As supabase-js has it: `global`, the default, ends the user's sessions on all devices, `local` this one alone. */
  scope?: 'global' | 'local';
}

export interface PushDevices {
  /** Newest first. */
  list(): Promise<Device[]>;
  /** Of this device too, which then is no longer subscribed. */
  remove(id: string): Promise<void>;
}

/** What is changed while offline is kept, and made good by the next `sync()` or as soon as the network is back. */
export interface PushPreferences {
  get(): Promise<Preferences>;
  /** What is left out stays as it is. */
  set(changes: Partial<Preferences>): Promise<Preferences>;
  mute(category: string): Promise<Preferences>;
  unmute(category: string): Promise<Preferences>;
  device(id: string): Promise<DevicePreferences>;
  setDevice(id: string, changes: Partial<DevicePreferences>): Promise<DevicePreferences>;
  categories(): Promise<Category[]>;
}

export interface PushTopics {
  list(): Promise<Topic[]>;
  join(key: string): Promise<void>;
  leave(key: string): Promise<void>;
}

/** What is marked while offline is kept, and made good by the next `sync()` or as soon as the network is back. */
export interface PushInbox {
  /** Newest first. */
  page(options?: InboxPageOptions): Promise<InboxItem[]>;
  /** Up to 100, which is to say "99+". */
  unreadCount(): Promise<number>;
  markRead(ids: readonly string[]): Promise<void>;
  markUnread(ids: readonly string[]): Promise<void>;
  /** Until this item, the newest that was shown; until now unless given. */
  markAllRead(newest?: InboxItem): Promise<void>;
  /** Calls the listener when a page or the count may have changed; the function returned ends that. */
  onChange(listener: () => void): () => void;
}

export interface PushAlerts {
  /** Newest first. */
  list(): Promise<Alert[]>;
  create(alert: AlertInput): Promise<Alert>;
  /** What is left out stays as it is. */
  update(id: string, changes: Partial<AlertInput>): Promise<Alert>;
  delete(id: string): Promise<void>;
  /** The newest value of a symbol; null where there is none. */
  quote(symbol: string): Promise<Quote | null>;
}

/** Push in the browser, for the user who is signed in. What fails, fails with a `PushClientError`. */
export interface PushClient {
  readonly status: PushStatus;
  /** Calls the listener after each change; the function returned ends that. */
  onStatusChange(listener: (status: PushStatus) => void): () => void;
  /**
   * Calls the listener as soon as another user is signed in than before, or none (null); not for the user whom the page finds
   * signed in when it loads. `status` is `unknown` from then on until a `sync()` has ended. The function returned ends that.
   */
  onUserChange(listener: (userId: string | null) => void): () => void;
  /**
   * Calls the listener when a notification was clicked that leads to a path of this app (with query and fragment), and this
   * page is to show it: go there by your router. Without a listener the page stays as it is, since the user may be typing in
   * it, and the path is opened in another window. The function returned ends that.
   */
  onOpen(listener: (path: string) => void): () => void;
  /** Whether this browser has all that push needs, here and now: false on iOS outside of the Home Screen. */
  isSupported(): boolean;
  /** To be called on each load: finds how push stands and repairs what was lost. Never asks the user anything. */
  sync(): Promise<PushStatus>;
  /** Registers this device, asking for permission if need be: call it from a click, or browsers do not ask. */
  subscribe(): Promise<Device>;
  /** Takes this device back, or all devices of the user. */
  unsubscribe(options?: { everywhere?: boolean }): Promise<void>;
  /**
   * Signs the user out of this device in any case, offline too, and takes the device back. Resolves with whether the project
   * was told; if not, it will be told later that the device was taken back, and the session ends there when it expires.
   */
  signOut(options?: SignOutOptions): Promise<boolean>;
  /** Sends a message to this device, or to all of the user's where this one is not registered; returns its id. */
  sendTest(): Promise<string>;
  readonly devices: PushDevices;
  readonly preferences: PushPreferences;
  readonly topics: PushTopics;
  readonly inbox: PushInbox;
  readonly alerts: PushAlerts;
  /** Ends all listening. */
  dispose(): void;
}

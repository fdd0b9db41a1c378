import {
  MESSAGE_TYPE,
  type OpenAnswer,
  TAB_CHANNEL,
  type TabMessage,
  type WorkerMessage,
} from '../shared/protocol.ts';
import { findRegistration } from './browser-subscription.ts';
import type { ClientContext } from './client-context.ts';
import type { Signal } from './signal.ts';
import { tellWorker } from './worker-messages.ts';

/** What is done about what happens around a client. */
export interface BrowserListeners {
  /** The inbox changed; says whether other tabs hear of it themselves. */
  readonly inboxChanged: Signal<boolean>;
  /** A notification was clicked, and this page is to show its path. */
  readonly opened: Signal<string>;
  /** The status of the device may have changed. */
  sync(): void;
  /** Who is signed in now, as soon as it is known, and whether it was another user before, or none. */
  user(userId: string | null, changed: boolean): void;
  /** Who it was, as far as this page knows. */
  signedOut(userId: string | null): Promise<void>;
}

/** Listens to what happens around the client: sign-in, the service worker, other tabs, the network, the permission. */
export function listenToBrowser(
  context: ClientContext,
  listeners: BrowserListeners,
): {
  /** Tells other tabs that the device or the inbox changed here. */
  tellTabs(what: TabMessage): void;
  /** Whether it is known that no user is signed in. */
  isSignedOut(): boolean;
  dispose(): void;
} {
  const { environment, options, project, report } = context;
  const { inboxChanged, sync } = listeners;
  const stops: (() => void)[] = [];
  const on = <Type extends string, Listener>(
    target: EventSource<Type, Listener> | undefined,
    type: Type,
    listener: Listener,
  ) => {
    target?.addEventListener(type, listener);
    stops.push(() => target?.removeEventListener(type, listener));
  };

  let userId: string | null | undefined;
  const onUser = (event: string, now: string | null): void => {
    const before = userId;
    userId = now;
    const changed = before !== undefined && userId !== before;
    listeners.user(userId, changed);
    // supabase-js holds its lock while this runs, and says SIGNED_IN each time that a tab is looked at again.
    if (event === 'SIGNED_OUT') setTimeout(() => listeners.signedOut(before ?? null).catch(report));
    else if (changed || (event === 'SIGNED_IN' && userId !== before)) setTimeout(sync);
  };
  // Another provider's listener is the app's own code for the browser. On a server it has no business, and may throw.
  if (environment || !options.onUserChange) stops.push(project.session.listen(onUser));

  const tabs = environment?.BroadcastChannel && new environment.BroadcastChannel(TAB_CHANNEL);
  const tellTabs = (what: TabMessage) => tabs?.postMessage(what);
  if (tabs) {
    tabs.onmessage = ({ data }: MessageEvent<TabMessage>) => {
      if (data === 'device') sync();
      else inboxChanged.tell(true);
    };
    stops.push(
      inboxChanged.listen((isKnownInTabs) => {
        if (!isKnownInTabs) tellTabs('inbox');
      }),
      () => tabs.close(),
    );
  }

  /** Whether the page shows a URL by itself. */
  const showUrl = (url: string): boolean => {
    try {
      const { pathname, search, hash } = new URL(url);
      // To a router, `//evil.example` is another host.
      return !pathname.startsWith('//') && listeners.opened.tell(pathname + search + hash);
    } catch (error) {
      report(error);
      return false;
    }
  };

  if (environment) {
    const { navigator, document } = environment;
    /** Has the worker send what waits: Firefox and Safari do not wake it up when the network is back. */
    const flushWorker = async (): Promise<void> => {
      if (document.hidden) return;
      const store = await context.store();
      if ((await store.get('pending_resubscribe')) || (await store.all('receipts')).length > 0)
        tellWorker(await findRegistration(environment, options), 'flush');
    };
    const flush = () => void flushWorker().catch(report);
    on(environment, 'online', sync);
    on(environment, 'online', flush);
    on(environment, 'visibilitychange', flush);
    flush();
    on(navigator.serviceWorker, 'message', ({ data, ports }: MessageEvent<WorkerMessage | null>) => {
      if (data?.type !== MESSAGE_TYPE) return;
      if (data.event === 'open') {
        const opens = Date.now() <= data.until && showUrl(data.url);
        ports[0]?.postMessage({ opens } satisfies OpenAnswer);
      } else if (data.event === 'subscription-changed') sync();
      else inboxChanged.tell(true);
    });
    // Not every browser tells of it; sync() finds out on the next load there.
    navigator.permissions?.query({ name: 'notifications' }).then(
      (permission) => on(permission, 'change', sync),
      () => undefined,
    );
  }

  return {
    tellTabs,
    isSignedOut: () => userId === null,
    dispose: () => {
      for (const stop of stops.splice(0)) stop();
    },
  };
}

interface EventSource<Type extends string, Listener> {
  addEventListener(type: Type, listener: Listener): void;
  removeEventListener(type: Type, listener: Listener): void;
}

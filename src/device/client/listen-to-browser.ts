import type { OpenAnswer, OpenQuestion } from '../shared/worker-message.ts';
import type { ClientContext } from './client-context.ts';
import type { Signal } from './signal.ts';
import { tellWorker } from './worker-messages.ts';

/** What may happen around a client. */
export interface Happenings {
  readonly inboxChanged: Signal<void>;
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
  happenings: Happenings,
): {
  /** Tells other tabs that the device or the inbox changed here. */
  tellTabs(what: 'device' | 'inbox'): void;
  /** Whether it is known that no user is signed in. */
  isSignedOut(): boolean;
  dispose(): void;
} {
  const { environment, project } = context;
  const endings: (() => void)[] = [];
  let userId: string | null | undefined;

  // Another provider's listener is the app's own code for the browser. On a server it has no business, and may throw.
  const listens = environment !== undefined || !context.options.onUserChange;
  const listen: typeof project.session.listen = listens ? project.session.listen : () => () => undefined;
  const endSession = listen((event, now) => {
    const before = userId;
    userId = now;
    const changed = before !== undefined && userId !== before;
    happenings.user(userId, changed);
    // supabase-js holds its lock while this runs, and says SIGNED_IN each time that a tab is looked at again.
    if (event === 'SIGNED_OUT') setTimeout(() => happenings.signedOut(before ?? null).catch(context.report));
    else if (changed || (event === 'SIGNED_IN' && userId !== before)) setTimeout(happenings.sync);
  });
  endings.push(endSession);

  const tabs = environment?.BroadcastChannel && new environment.BroadcastChannel('supapush');
  // Inbox changes that come from other tabs are not passed on.
  let fromTab = false;
  const tellTabs = (what: 'device' | 'inbox') => tabs?.postMessage(what);
  /** What other tabs hear as well is told in this one alone. */
  const inboxChangedEverywhere = () => {
    fromTab = true;
    happenings.inboxChanged.tell();
    fromTab = false;
  };
  if (tabs) {
    tabs.onmessage = ({ data }: MessageEvent) => {
      if (data === 'device') happenings.sync();
      else inboxChangedEverywhere();
    };
    endings.push(
      happenings.inboxChanged.listen(() => {
        if (!fromTab) tellTabs('inbox');
      }),
      () => tabs.close(),
    );
  }

  /** Has the worker send what waits: Firefox and Safari do not wake it up when the network is back. */
  const flush = async (): Promise<void> => {
    if (!environment?.isVisible()) return;
    const store = await context.store();
    if ((await store.get('pending_resubscribe')) || (await store.all('receipts')).length > 0)
      await tellWorker(context, 'flush');
  };

  /** Whether the page shows a URL by itself. */
  const opens = (url: string): boolean => {
    try {
      const { pathname, search, hash } = new URL(url);
      // To a router, `//evil.example` is another host.
      if (pathname.startsWith('//')) return false;
      return happenings.opened.tell(pathname + search + hash);
    } catch (error) {
      context.report(error);
      return false;
    }
  };

  if (environment) {
    const flushOrReport = () => void flush().catch(context.report);
    const on = (type: 'online' | 'visibilitychange', listener: () => void) => {
      environment.addEventListener(type, listener);
      endings.push(() => environment.removeEventListener(type, listener));
    };
    on('online', happenings.sync);
    on('online', flushOrReport);
    on('visibilitychange', flushOrReport);
    flushOrReport();

    const workers = environment.navigator.serviceWorker;
    const hear = ({ data, ports }: Event & Partial<MessageEvent<Partial<OpenQuestion>>>) => {
      if (data?.type !== 'supapush') return;
      const event: string | undefined = data.event;
      if (event === 'open') {
        const isInTime = Date.now() <= (data.until ?? 0);
        ports?.[0]?.postMessage({ opens: isInTime && opens(data.url ?? '') } satisfies OpenAnswer);
      } else if (event === 'subscription-changed') happenings.sync();
      else inboxChangedEverywhere();
    };
    workers?.addEventListener('message', hear);
    endings.push(() => workers?.removeEventListener('message', hear));

    // Not every browser tells of it; sync() finds out on the next load there.
    environment.navigator.permissions?.query({ name: 'notifications' }).then(
      (permission) => {
        permission.addEventListener('change', happenings.sync);
        endings.push(() => permission.removeEventListener('change', happenings.sync));
      },
      () => undefined,
    );
  }

  return {
    tellTabs,
    isSignedOut: () => userId === null,
    dispose: () => {
      for (const end of endings.splice(0)) end();
    },
  };
}

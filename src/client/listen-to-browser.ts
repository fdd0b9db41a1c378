import type { ClientContext } from './client-context.ts';
import type { Signal } from './signal.ts';

/** What may happen around a client. */
export interface Happenings {
  readonly inboxChanged: Signal<void>;
  /** The device may stand otherwise than it did. */
  sync(): void;
  /** Who is signed in now, as soon as it is known, and whether it was somebody else before, or nobody. */
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
  /** Whether it is known that nobody is signed in. */
  isSignedOut(): boolean;
  dispose(): void;
} {
  const { environment, project } = context;
  const endings: (() => void)[] = [];
  let userId: string | null | undefined;

  const { data } = project.auth.onAuthStateChange((event, session) => {
    const before = userId;
    userId = session?.user.id ?? null;
    const changed = before !== undefined && userId !== before;
    happenings.user(userId, changed);
    // supabase-js holds its lock while this runs, and says SIGNED_IN each time that a tab is looked at again.
    if (event === 'SIGNED_OUT') setTimeout(() => happenings.signedOut(before ?? null).catch(context.report));
    else if (changed || (event === 'SIGNED_IN' && userId !== before)) setTimeout(happenings.sync);
  });
  endings.push(() => data.subscription.unsubscribe());

  const tabs = environment?.BroadcastChannel && new environment.BroadcastChannel('supapush');
  // Inbox changes that other tabs told of are not told on.
  let fromTab = false;
  const tellTabs = (what: 'device' | 'inbox') => tabs?.postMessage(what);
  if (tabs) {
    tabs.onmessage = ({ data }: MessageEvent) => {
      if (data === 'device') return happenings.sync();
      fromTab = true;
      happenings.inboxChanged.tell();
      fromTab = false;
    };
    endings.push(
      happenings.inboxChanged.listen(() => {
        if (!fromTab) tellTabs('inbox');
      }),
      () => tabs.close(),
    );
  }

  if (environment) {
    environment.addEventListener('online', happenings.sync);
    endings.push(() => environment.removeEventListener('online', happenings.sync));

    const workers = environment.navigator.serviceWorker;
    const hear = ({ data }: Event & { data?: { type?: unknown; event?: unknown } }) => {
      if (data?.type !== 'supapush') return;
      if (data.event === 'subscription-changed') happenings.sync();
      else happenings.inboxChanged.tell();
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

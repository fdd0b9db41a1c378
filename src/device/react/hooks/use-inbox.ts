import { useCallback, useEffect, useRef } from 'react';
import type { InboxItem } from '../../client/push-client.ts';
import { appendPage, type InboxPages, markItems, renewPages } from '../inbox/inbox-pages.ts';
import { usePushContext } from '../push-provider.tsx';
import { asError } from './use-action.ts';
import { useInboxChanges } from './use-inbox-changes.ts';
import { useReady } from './use-push.ts';
import { useRecovery } from './use-recovery.ts';
import { useStateOfUser } from './use-state-of-user.ts';

export interface UseInboxOptions {
  /** 20 a page unless given, 100 at most. */
  limit?: number;
  unreadOnly?: boolean;
  /** With all that is below it. */
  category?: string;
  /** Loads how many are unread and no messages, as for a bell that is not opened. */
  countOnly?: boolean;
}

export interface UseInbox {
  /** Newest first; null until they were loaded. */
  readonly items: readonly InboxItem[] | null;
  /** Up to 100, which is to say "99+". */
  readonly unread: number;
  readonly hasMore: boolean;
  readonly loading: boolean;
  readonly error: Error | null;
  readonly reload: () => Promise<void>;
  /** Appends the page before the oldest that is shown. */
  readonly loadMore: () => Promise<void>;
  readonly markRead: (ids: readonly string[]) => Promise<void>;
  readonly markUnread: (ids: readonly string[]) => Promise<void>;
  readonly markAllRead: () => Promise<void>;
}

interface State {
  readonly pages: InboxPages | null;
  readonly unread: number;
  readonly loading: boolean;
  /** Why loading failed. */
  readonly error: Error | null;
  /** Why marking failed, until something else is marked or the inbox is loaded by hand. */
  readonly failed: Error | null;
}

const NOTHING: State = { pages: null, unread: 0, loading: true, error: null, failed: null };
const LARGEST_PAGE = 100;

/**
 * The inbox, kept up to date. What is marked is shown as marked at once, and as it was when that fails. Nothing rejects: what
 * fails is in `error`. What could not be loaded is tried again when the network is back.
 */
export function useInbox(options: UseInboxOptions = {}): UseInbox {
  const { limit = 20, unreadOnly = false, category, countOnly = false } = options;
  const { client } = usePushContext();
  const ready = useReady();
  // Only the answer to the newest question counts, and none once the component is gone.
  const [state, setState, owner] = useStateOfUser(NOTHING);
  const shown = useRef<InboxPages | null>(null);
  shown.current = state.pages;

  const ask = useCallback(
    async (work: () => Promise<(state: State) => Partial<State>>): Promise<void> => {
      const request = ++owner.requests;
      setState((state) => ({ ...state, loading: true }));
      try {
        const change = await work();
        if (request === owner.requests) {
          setState((state) => ({ ...state, ...change(state), loading: false, error: null }));
        }
      } catch (error) {
        if (request === owner.requests)
          setState((state) => ({ ...state, loading: false, error: asError(error) }));
      }
    },
    [setState, owner],
  );

  const filter = useCallback(
    (before?: InboxItem) => ({
      ...(unreadOnly && { unreadOnly }),
      ...(category !== undefined && { category }),
      ...(before && { before }),
    }),
    [unreadOnly, category],
  );

  const load = useCallback(async () => {
    if (!client || !ready) {
      owner.requests++;
      return setState(() => NOTHING);
    }
    await ask(async () => {
      // As many as are shown: what is new at the top would otherwise push old ones off the end.
      const asked = Math.min(LARGEST_PAGE, Math.max(limit, shown.current?.items.length ?? 0));
      const [unread, newest] = await Promise.all([
        client.inbox.unreadCount(),
        countOnly ? null : client.inbox.page({ ...filter(), limit: asked }),
      ]);
      return ({ pages }) => ({ unread, ...(newest && { pages: renewPages(pages, newest, asked) }) });
    });
  }, [client, ready, ask, filter, limit, countOnly, setState, owner]);

  // Another filter is another list: nothing that is shown belongs to it.
  useEffect(() => {
    shown.current = null;
    setState((state) => ({ ...state, pages: null }));
    void load();
    return () => {
      owner.requests++;
    };
  }, [load, setState, owner]);
  useInboxChanges(client, load);
  useRecovery(state.error, load);
  const reload = useCallback(async () => {
    setState((state) => ({ ...state, failed: null }));
    await load();
  }, [load, setState]);

  const loadMore = useCallback(async () => {
    const before = shown.current?.items.at(-1);
    if (!client || !before) return;
    await ask(async () => {
      const page = await client.inbox.page({ ...filter(before), limit });
      return ({ pages }) => ({ pages: pages && appendPage(pages, page, limit) });
    });
  }, [client, ask, filter, limit]);

  const mark = useCallback(
    async (ids: readonly string[], readAt: string | null, work: () => Promise<void> | undefined) => {
      const show = (ids: readonly string[], readAt: string | null, failed: Error | null): void =>
        setState((state) => {
          const { pages, change } = markItems(state.pages, ids, readAt);
          const unread = Math.max(0, state.unread + change);
          return { ...state, pages, unread, loading: false, failed };
        });
      const others =
        shown.current?.items.filter((item) => (item.readAt === null) !== (readAt === null)) ?? [];
      show(ids, readAt, null);
      // A load under way may still return the state before. Once this is done, the client asks to load anew.
      owner.requests++;
      try {
        await work();
      } catch (error) {
        // Restores the messages that were in the other state, also where nothing can be loaded.
        const back = others.map(({ id }) => id).filter((id) => ids.includes(id));
        show(back, readAt === null ? new Date().toISOString() : null, asError(error));
        await load();
      }
    },
    [load, setState, owner],
  );
  return {
    items: state.pages?.items ?? null,
    hasMore: state.pages?.hasMore ?? false,
    unread: state.unread,
    loading: state.loading,
    error: state.failed ?? state.error,
    reload,
    loadMore,
    markRead: useCallback(
      (ids) => mark(ids, new Date().toISOString(), () => client?.inbox.markRead(ids)),
      [client, mark],
    ),
    markUnread: useCallback((ids) => mark(ids, null, () => client?.inbox.markUnread(ids)), [client, mark]),
    markAllRead: useCallback(async () => {
      const ids = shown.current?.items.map(({ id }) => id) ?? [];
      await mark(ids, new Date().toISOString(), () => client?.inbox.markAllRead(shown.current?.items[0]));
    }, [client, mark]),
  };
}

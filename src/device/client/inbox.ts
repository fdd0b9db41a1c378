import type { ClientContext } from './client-context.ts';
import type { OfflineActions } from './offline-actions.ts';
import type { InboxItem, PushInbox } from './push-client.ts';
import { fromRow } from './rows.ts';
import type { Signal } from './signal.ts';

/** Messages in the app, by `push_inbox` and the functions beside it; `changed` is told of changes, and tells of them. */
export function createInbox(
  { project, options }: ClientContext,
  actions: OfflineActions,
  changed: Signal<boolean>,
): PushInbox {
  const mark = <A extends unknown[]>(name: string, args: (...of: A) => Record<string, unknown>) => {
    const later = actions.define(name, async (...of: A) => {
      await project.rpc(name, args(...of));
      changed.tell(false);
    });
    return async (...of: A): Promise<void> => void (await later(...of));
  };
  const markUntil = mark('push_mark_all_read', (until: string) => ({ p_until: until }));
  const ofIds = (ids: readonly string[]) => ({ p_ids: ids });

  return {
    async page({ limit, before, unreadOnly, category } = {}) {
      const rows = await project.rpc('push_inbox', {
        // What is undefined is left out of the request.
        p_limit: limit || undefined,
        p_before: before?.sendAt,
        p_before_id: before?.id,
        p_unread_only: unreadOnly,
        p_category: category || undefined,
      });
      return (rows as object[]).map(fromRow<InboxItem>);
    },
    unreadCount: () => project.rpc('push_unread_count') as Promise<number>,
    markRead: mark('push_mark_read', ofIds),
    markUnread: mark('push_mark_unread', ofIds),
    // The moment is fixed now: the user has not seen what arrives between this call and a later replay of it.
    markAllRead: (newest) => markUntil(newest?.sendAt ?? new Date().toISOString()),
    onChange(listener) {
      const stop = changed.listen(() => listener());
      if (!options.realtime) return stop;
      const channel = project.client
        // One of its own for each listener: a channel of the same name would be the same channel.
        .channel(`supapush-inbox-${Math.random()}`)
        .on('postgres_changes', { event: '*', schema: 'public', table: 'push_notifications' }, listener)
        .subscribe();
      return () => {
        stop();
        void project.client.removeChannel(channel);
      };
    },
  };
}

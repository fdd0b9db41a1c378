import type { InboxItem } from '../../client/push-client.ts';

/** What a list shows of the inbox, newest first. */
export interface InboxPages {
  readonly items: readonly InboxItem[];
  /** Whether there may be older ones. */
  readonly hasMore: boolean;
}

/**
 * The newest page, loaded anew, with what is shown already of those before it.
 *
 * @param asked how many it was asked for
 */
export function renewPages(
  shown: InboxPages | null,
  newest: readonly InboxItem[],
  asked: number,
): InboxPages {
  const last = newest.at(-1);
  const full = newest.length >= asked;
  const seam = shown && full ? shown.items.findIndex(({ id }) => id === last?.id) : -1;
  // Without a seam something would be missing in between, or be shown that is there no more.
  if (!shown || seam < 0) return { items: newest, hasMore: full };
  const older = shown.items.slice(seam + 1);
  return { items: [...newest, ...older], hasMore: shown.hasMore || older.length === 0 };
}

/** What is shown with the page that follows it. */
export function appendPage(shown: InboxPages, page: readonly InboxItem[], asked: number): InboxPages {
  const known = new Set(shown.items.map(({ id }) => id));
  return {
    items: [...shown.items, ...page.filter(({ id }) => !known.has(id))],
    hasMore: page.length >= asked,
  };
}

/** What is shown once these are read, or unread again; and by how much the count of unread ones changes. */
export function markItems(
  shown: InboxPages | null,
  ids: readonly string[],
  readAt: string | null,
): { pages: InboxPages | null; change: number } {
  if (!shown) return { pages: null, change: 0 };
  let change = 0;
  const items = shown.items.map((item) => {
    if (!ids.includes(item.id) || (item.readAt === null) === (readAt === null)) return item;
    change += readAt === null ? 1 : -1;
    return { ...item, readAt };
  });
  return { pages: { ...shown, items }, change };
}

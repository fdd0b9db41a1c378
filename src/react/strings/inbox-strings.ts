/** What `InboxBell` says. Counts come formatted, `99+` where there are more. */
export const inboxStrings = {
  title: 'Inbox',
  bell: (unread: string) => (unread === '0' ? 'Inbox' : `Inbox, ${unread} unread`),
  unread: (unread: string) => (unread === '0' ? 'Nothing unread' : `${unread} unread`),
  filter: 'Show',
  all: 'All',
  unreadOnly: 'Unread',
  markAllRead: 'Mark all as read',
  markRead: (title: string) => `Mark “${title}” as read`,
  markUnread: (title: string) => `Mark “${title}” as unread`,
  /** Read out before the title of what is unread. */
  unreadMark: 'Unread:',
  empty: 'Nothing here yet. Whatever you are notified of is kept in this place.',
  emptyUnread: 'You have read everything.',
  older: 'Show older',
  loading: 'Loading…',
  close: 'Close inbox',
};

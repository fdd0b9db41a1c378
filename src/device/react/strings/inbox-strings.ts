/** What `InboxBell` says. Counts come formatted, `99+` where there are more. */
export const inboxStrings = {
  title: 'Inbox',
  bell: (unread: string) => (unread === '0' ? 'Inbox' : `Inbox, ${unread} unread`),
  unread: (unread: string) => (unread === '0' ? 'No unread messages' : `${unread} unread`),
  filter: 'Show',
  all: 'All',
  unreadOnly: 'Unread',
  markAllRead: 'Mark all as read',
  markRead: (title: string) => `Mark “${title}” as read`,
  markUnread: (title: string) => `Mark “${title}” as unread`,
  /** Read out before the title of an unread message. */
  unreadMark: 'Unread:',
  empty: 'No messages yet. Your notifications will be kept here.',
  emptyUnread: 'You are all caught up.',
  older: 'Show older',
  loading: 'Loading…',
  close: 'Close inbox',
};

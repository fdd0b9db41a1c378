import type { MouseEvent, ReactNode } from 'react';
import type { InboxItem } from '../../client/push-client.ts';
import { Moment } from '../parts/moment.tsx';
import { usePushContext } from '../push-provider.tsx';
import { safeLink } from './safe-link.ts';

export interface InboxEntryProps {
  item: InboxItem;
  onOpen: (url: string, event: MouseEvent, item: InboxItem) => void;
  onToggleRead: (item: InboxItem) => void;
}

/** One message: what it says, where it leads, and whether it was read. */
export function InboxEntry({ item, onOpen, onToggleRead }: InboxEntryProps): ReactNode {
  const { inbox } = usePushContext().strings;
  const unread = item.readAt === null;
  const href = safeLink(item.url);
  const text = (
    <>
      <span className="supapush-entry-title">
        {unread && <span className="supapush-hidden">{inbox.unreadMark} </span>}
        {item.title}
      </span>
      {item.body && <span className="supapush-entry-body">{item.body}</span>}
      <span className="supapush-entry-time">
        <Moment at={item.sendAt} />
      </span>
    </>
  );
  return (
    <li className="supapush-entry" data-unread={unread || undefined}>
      {href ? (
        <a className="supapush-entry-text" href={href} onClick={(event) => onOpen(href, event, item)}>
          {text}
        </a>
      ) : (
        <div className="supapush-entry-text">{text}</div>
      )}
      <button
        type="button"
        className="supapush-dot"
        aria-label={unread ? inbox.markRead(item.title) : inbox.markUnread(item.title)}
        title={unread ? inbox.markRead(item.title) : inbox.markUnread(item.title)}
        onClick={() => onToggleRead(item)}
      />
    </li>
  );
}

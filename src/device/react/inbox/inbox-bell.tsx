import { type MouseEvent, type ReactNode, useId, useState } from 'react';
import type { InboxItem } from '../../client/push-client.ts';
import { useInbox } from '../hooks/use-inbox.ts';
import { Announcement } from '../parts/announcement.tsx';
import { Icon } from '../parts/icon.tsx';
import { OfUser } from '../parts/of-user.tsx';
import { usePopover } from '../parts/use-popover.ts';
import { usePushContext } from '../push-provider.tsx';
import { InboxPanel } from './inbox-panel.tsx';
import { useArrivals } from './use-arrivals.ts';

export interface InboxBellProps {
  /** Messages a page, 20 unless given. */
  limit?: number;
  /** Only messages of this category, with all below it. */
  category?: string;
  /**
   * Called before a message's link is followed in this tab: `preventDefault()` and navigate, where the app has a router.
   * The URL is a path of the app, or whole.
   */
  onOpen?: (url: string, event: MouseEvent, item: InboxItem) => void;
}

/** A bell with the number of unread messages, which opens the inbox. A message that is opened is marked as read. */
export function InboxBell(props: InboxBellProps): ReactNode {
  return (
    <OfUser>
      <Bell {...props} />
    </OfUser>
  );
}

function Bell({ limit, category, onOpen }: InboxBellProps): ReactNode {
  const { strings, format } = usePushContext();
  const popover = usePopover();
  const [unreadOnly, setUnreadOnly] = useState(false);
  const inbox = useInbox({
    unreadOnly,
    countOnly: !popover.open,
    ...(limit !== undefined && { limit }),
    ...(category !== undefined && { category }),
  });
  const arrivals = useArrivals(inbox);
  const id = useId();
  const count = format.count(inbox.unread);
  const open = (url: string, event: MouseEvent, item: InboxItem): void => {
    if (item.readAt === null) void inbox.markRead([item.id]);
    // Another tab leaves this one as it is.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    onOpen?.(url, event, item);
    popover.close();
  };
  return (
    <div className="supapush supapush-bell">
      <button
        type="button"
        ref={popover.button}
        className="supapush-round supapush-bell-button"
        aria-label={strings.inbox.bell(count)}
        aria-haspopup="dialog"
        aria-expanded={popover.open}
        aria-controls={popover.open ? id : undefined}
        onClick={popover.toggle}
      >
        <Icon name="bell" />
        {inbox.unread > 0 && (
          <span className="supapush-count" aria-hidden="true">
            {count}
          </span>
        )}
      </button>
      <Announcement text={arrivals === null ? '' : strings.inbox.unread(format.count(arrivals))} />
      {popover.open && (
        <InboxPanel
          inbox={inbox}
          id={id}
          panel={popover.panel}
          unreadOnly={unreadOnly}
          onUnreadOnly={setUnreadOnly}
          onOpen={open}
          onClose={popover.close}
        />
      )}
    </div>
  );
}

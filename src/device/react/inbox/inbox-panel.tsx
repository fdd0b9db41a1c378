import { type MouseEvent, type ReactNode, type RefObject, useId } from 'react';
import type { InboxItem } from '../../client/push-client.ts';
import type { UseInbox } from '../hooks/use-inbox.ts';
import { ErrorNote } from '../parts/error-note.tsx';
import { Icon } from '../parts/icon.tsx';
import { Skeleton } from '../parts/skeleton.tsx';
import { useKeptFocus } from '../parts/use-kept-focus.ts';
import { usePushContext } from '../push-provider.tsx';
import { InboxEntry } from './inbox-entry.tsx';

export interface InboxPanelProps {
  inbox: UseInbox;
  id: string;
  panel: RefObject<HTMLDivElement | null>;
  unreadOnly: boolean;
  onUnreadOnly: (unreadOnly: boolean) => void;
  onOpen: (url: string, event: MouseEvent, item: InboxItem) => void;
  onClose: () => void;
}

/** What the bell opens: the messages, page by page. */
export function InboxPanel(props: InboxPanelProps): ReactNode {
  const { inbox, panel, unreadOnly } = props;
  const { strings } = usePushContext();
  const words = strings.inbox;
  const title = useId();
  useKeptFocus(panel);
  const toggleRead = ({ id, readAt }: InboxItem): void =>
    void (readAt === null ? inbox.markRead([id]) : inbox.markUnread([id]));
  return (
    <div
      ref={panel}
      id={props.id}
      role="dialog"
      aria-labelledby={title}
      tabIndex={-1}
      className="supapush supapush-panel"
    >
      <div className="supapush-panel-top">
        <div className="supapush-panel-head">
          <h2 id={title}>{words.title}</h2>
          <button
            type="button"
            className="supapush-button supapush-quiet"
            disabled={inbox.unread === 0}
            onClick={() => void inbox.markAllRead()}
          >
            {words.markAllRead}
          </button>
          <button type="button" className="supapush-round" aria-label={words.close} onClick={props.onClose}>
            <Icon name="close" />
          </button>
        </div>
        <fieldset className="supapush-tabs">
          <legend className="supapush-hidden">{words.filter}</legend>
          {[false, true].map((only) => (
            <button
              key={String(only)}
              type="button"
              aria-pressed={unreadOnly === only}
              onClick={() => props.onUnreadOnly(only)}
            >
              {only ? words.unreadOnly : words.all}
            </button>
          ))}
        </fieldset>
        <ErrorNote error={inbox.error} onRetry={inbox.reload} />
      </div>
      {inbox.items && inbox.items.length > 0 && (
        <ul className="supapush-entries">
          {inbox.items.map((item) => (
            <InboxEntry key={item.id} item={item} onOpen={props.onOpen} onToggleRead={toggleRead} />
          ))}
        </ul>
      )}
      {inbox.items?.length === 0 && (
        <p className="supapush-empty">{unreadOnly ? words.emptyUnread : words.empty}</p>
      )}
      {inbox.items === null && !inbox.error && <Skeleton label={words.loading} rows={4} />}
      {inbox.hasMore && (
        <button
          type="button"
          className="supapush-button supapush-older"
          aria-disabled={inbox.loading || undefined}
          onClick={() => !inbox.loading && void inbox.loadMore()}
        >
          {inbox.loading ? words.loading : words.older}
        </button>
      )}
    </div>
  );
}

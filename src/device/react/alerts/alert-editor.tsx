import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import type { Alert } from '../../client/push-client.ts';
import { useAlerts } from '../hooks/use-alerts.ts';
import { useReady, useSignedOut } from '../hooks/use-push.ts';
import { Announcement, useAnnouncement } from '../parts/announcement.tsx';
import { ErrorNote } from '../parts/error-note.tsx';
import { OfUser } from '../parts/of-user.tsx';
import { Skeleton } from '../parts/skeleton.tsx';
import { useKeptFocus } from '../parts/use-kept-focus.ts';
import { usePushContext } from '../push-provider.tsx';
import { AlertEntry } from './alert-entry.tsx';
import { AlertForm } from './alert-form.tsx';
import { alertGoal } from './alert-words.ts';

export interface AlertEditorProps {
  /** Symbols to suggest; any other can be typed. */
  symbols?: readonly string[];
  /** Names of levels to suggest, such as `yesterday_high`. */
  levels?: readonly string[];
}

/** The user's alerts, how each stands, and a form to make or change one. */
export function AlertEditor(props: AlertEditorProps): ReactNode {
  return (
    <OfUser>
      <Editor {...props} />
    </OfUser>
  );
}

function Editor({ symbols = [], levels = [] }: AlertEditorProps): ReactNode {
  const { strings, format } = usePushContext();
  const words = strings.alerts;
  const signedOut = useSignedOut();
  const ready = useReady();
  const { alerts, error, loadError, busy, reload, clearError, create, update, remove, quote } = useAlerts();
  /** The id of the alert that the form is for, `new` for one to come; null while there is no form. */
  const [editing, setEditing] = useState<string | null>(null);
  const [said, announce] = useAnnouncement();
  /** Of which alert that is; null where it is none of the list. */
  const [saidOf, setSaidOf] = useState<string | null>(null);
  const title = useId();
  const place = useRef<HTMLElement>(null);
  const add = useRef<HTMLButtonElement>(null);
  useKeptFocus(place);
  const edited = useRef<string | null>(null);
  useEffect(() => {
    // Back to where the form was opened.
    if (editing === null && edited.current === 'new') add.current?.focus();
    else if (editing === null && edited.current) {
      place.current?.querySelector<HTMLElement>(`[data-alert="${CSS.escape(edited.current)}"]`)?.focus();
    }
    edited.current = editing;
  }, [editing]);

  const goalOf = (alert: Alert): string => alertGoal(alert, words, format);
  const open = (id: string | null): void => {
    clearError();
    setEditing(id);
  };
  const form = (alert: Alert | null): ReactNode => (
    <AlertForm
      key={alert?.id ?? 'new'}
      alert={alert}
      symbols={symbols}
      levels={levels}
      quote={quote}
      error={error}
      busy={busy !== null}
      onCancel={() => open(null)}
      onSave={async (input) => {
        if (!(await (alert ? update(alert.id, input) : create(input)))) return false;
        setEditing(null);
        setSaidOf(alert?.id ?? null);
        announce(words.saved(input.setup ?? input.symbol));
        return true;
      }}
    />
  );
  return (
    <section ref={place} tabIndex={-1} className="supapush supapush-alerts" aria-labelledby={title}>
      <div className="supapush-head">
        <h2 id={title}>{words.title}</h2>
        {editing !== 'new' && !signedOut && (
          <button
            type="button"
            ref={add}
            className="supapush-button supapush-primary"
            disabled={!ready}
            onClick={() => open('new')}
          >
            {words.add}
          </button>
        )}
      </div>
      <Announcement text={said} shown={saidOf === null} />
      {signedOut && <p className="supapush-empty">{words.signedOut}</p>}
      {editing === 'new' && form(null)}
      <ErrorNote error={loadError} {...(alerts === null && { onRetry: reload })} />
      {!signedOut && alerts === null && !loadError && <Skeleton label={words.loading} rows={3} />}
      {alerts?.length === 0 && editing !== 'new' && <p className="supapush-empty">{words.empty}</p>}
      {alerts && alerts.length > 0 && (
        <ul className="supapush-alert-list">
          {alerts.map((alert) =>
            editing === alert.id ? (
              <li key={alert.id}>{form(alert)}</li>
            ) : (
              <AlertEntry
                key={alert.id}
                alert={alert}
                busy={busy === alert.id}
                error={error}
                note={saidOf === alert.id ? said : ''}
                onEdit={() => open(alert.id)}
                onToggle={(enabled) => update(alert.id, { enabled })}
                onDelete={async () => {
                  const removed = await remove(alert.id);
                  if (removed) {
                    setSaidOf(null);
                    announce(words.deleted(goalOf(alert)));
                  }
                  return removed;
                }}
              />
            ),
          )}
        </ul>
      )}
    </section>
  );
}

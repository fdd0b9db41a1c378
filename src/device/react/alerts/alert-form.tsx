import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import type { Alert, AlertInput } from '../../client/push-client.ts';
import type { UseAlerts } from '../hooks/use-alerts.ts';
import { ErrorNote } from '../parts/error-note.tsx';
import { useFailure } from '../parts/use-failure.ts';
import { usePushContext } from '../push-provider.tsx';
import { AlertConditionFields } from './alert-condition-fields.tsx';
import { type AlertDraft, alertOf, draftOf, faultsOf, newDraft } from './alert-draft.ts';
import { AlertMoreFields } from './alert-more-fields.tsx';
import { QuoteLine } from './quote-line.tsx';

export interface AlertFormProps {
  /** The one to change; null for a new one. */
  alert: Alert | null;
  symbols: readonly string[];
  levels: readonly string[];
  quote: UseAlerts['quote'];
  /** Why the last action failed, of this form or an alert beside it. */
  error: Error | null;
  busy: boolean;
  /** False: it failed. */
  onSave: (alert: AlertInput) => unknown;
  onCancel: () => void;
}

/** A part of the form: what stands in it, what to say of its faults, and how it changes. */
export interface AlertFieldsProps {
  draft: AlertDraft;
  faultOf: (field: keyof AlertDraft) => string | undefined;
  change: (changes: Partial<AlertDraft>) => void;
}

/** Makes or changes an alert. Faults show when it is to be saved, and the first of them gets the focus. */
export function AlertForm(props: AlertFormProps): ReactNode {
  const { alert, busy, onCancel, onSave } = props;
  const [failure, attempt] = useFailure(props.error);
  const { strings } = usePushContext();
  const words = strings.alerts;
  const [draft, setDraft] = useState(() => (alert ? draftOf(alert) : newDraft(props.symbols[0])));
  const [tried, setTried] = useState(0);
  const form = useRef<HTMLFormElement>(null);
  const title = useId();
  const faults = tried > 0 ? faultsOf(draft, Date.now()) : {};
  useEffect(() => form.current?.querySelector<HTMLElement>('input, select')?.focus(), []);
  useEffect(() => {
    // A hidden field cannot take the focus: what holds it is opened first.
    const faulty = tried > 0 ? form.current?.querySelector<HTMLElement>('[aria-invalid]') : null;
    faulty?.closest('details')?.setAttribute('open', '');
    faulty?.focus();
  }, [tried]);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (busy) return;
    setTried(tried + 1);
    if (Object.keys(faultsOf(draft, Date.now())).length === 0) void attempt(onSave(alertOf(draft)));
  };
  const fields: AlertFieldsProps = {
    draft,
    faultOf: (field) => {
      const fault = faults[field];
      return fault && words.faults[fault];
    },
    change: (changes) => setDraft((draft) => ({ ...draft, ...changes })),
  };
  return (
    <form
      ref={form}
      className="supapush-alert-form"
      aria-labelledby={title}
      noValidate
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        onCancel();
      }}
    >
      <h3 id={title}>{alert ? words.editTitle : words.newTitle}</h3>
      <div className="supapush-fields">
        <AlertConditionFields {...fields} symbols={props.symbols} levels={props.levels}>
          <QuoteLine symbol={draft.symbol.trim()} quote={props.quote} />
        </AlertConditionFields>
      </div>
      <AlertMoreFields {...fields} />
      <ErrorNote error={failure} />
      <div className="supapush-buttons">
        <button type="submit" className="supapush-button supapush-primary" aria-disabled={busy || undefined}>
          {busy ? words.working : words.save}
        </button>
        <button type="button" className="supapush-button supapush-quiet" onClick={onCancel}>
          {words.cancel}
        </button>
      </div>
    </form>
  );
}

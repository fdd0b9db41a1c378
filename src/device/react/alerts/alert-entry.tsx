import type { ReactNode } from 'react';
import type { Alert } from '../../client/push-client.ts';
import { ConfirmButton } from '../parts/confirm-button.tsx';
import { Switch } from '../parts/switch.tsx';
import { useNow } from '../parts/use-now.ts';
import { usePushContext } from '../push-provider.tsx';
import { alertFacts, alertGoal, alertState } from './alert-words.ts';

export interface AlertEntryProps {
  alert: Alert;
  busy: boolean;
  /** Why the last action failed, of whichever alert. */
  error: Error | null;
  /** What was said of this alert just now, for those who see it. */
  note: string;
  onEdit: () => void;
  onToggle: (enabled: boolean) => unknown;
  onDelete: () => unknown;
}

/** One alert: what it waits for, how it stands, and what can be done with it. */
export function AlertEntry(props: AlertEntryProps): ReactNode {
  const { alert, busy, error, note, onEdit, onToggle, onDelete } = props;
  const { strings, format } = usePushContext();
  const words = strings.alerts;
  const now = useNow();
  const goal = alertGoal(alert, words, format);
  const { state, text } = alertState(alert, words);
  return (
    <li className="supapush-alert" data-state={state}>
      <div className="supapush-alert-text">
        <span className="supapush-alert-goal">{goal}</span>
        {alert.setup && <span className="supapush-alert-name">{alert.setup}</span>}
        <span className="supapush-facts">
          <span className="supapush-state">{text}</span>
          {alertFacts(alert, words, format, now).map((fact) => (
            <span key={fact}>{fact}</span>
          ))}
        </span>
      </div>
      <Switch
        label={words.enabled(goal)}
        labelHidden
        on={alert.enabled}
        disabled={busy}
        onChange={onToggle}
        error={error}
      />
      <div className="supapush-alert-actions">
        <button
          type="button"
          className="supapush-button supapush-quiet"
          data-alert={alert.id}
          aria-label={words.editAlert(goal)}
          onClick={onEdit}
        >
          {words.edit}
        </button>
        <ConfirmButton
          label={words.delete}
          fullLabel={words.deleteAlert(goal)}
          question={words.confirmDelete(goal)}
          cancelLabel={words.cancel}
          disabled={busy}
          onConfirm={onDelete}
          error={error}
        />
      </div>
      {note && (
        <p className="supapush-status" aria-hidden="true">
          {note}
        </p>
      )}
    </li>
  );
}

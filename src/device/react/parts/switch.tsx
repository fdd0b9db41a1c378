import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { ErrorNote } from './error-note.tsx';
import { useFailure } from './use-failure.ts';

export interface SwitchProps {
  on: boolean;
  /** Until its promise is settled, the switch shows the wanted state, then the real one. False: it failed. */
  onChange: (on: boolean) => unknown;
  /** What it switches; read out, and shown unless `labelHidden`. */
  label: string;
  labelHidden?: boolean;
  hint?: string | null;
  disabled?: boolean;
  /** Why the last action of the hook that it changes something with failed: shown here where it was this one. */
  error: Error | null;
}

/** A setting that takes effect at once. */
export function Switch(props: SwitchProps): ReactNode {
  const { on, onChange, label, labelHidden, hint, disabled } = props;
  const id = useId();
  const [failure, attempt] = useFailure(props.error);
  const [wished, setWished] = useState<boolean | null>(null);
  const wishes = useRef(0);
  useEffect(
    () => () => {
      wishes.current++;
    },
    [],
  );
  const change = async (wish: boolean): Promise<void> => {
    const count = ++wishes.current;
    setWished(wish);
    await attempt(onChange(wish));
    if (count === wishes.current) setWished(null);
  };
  const shown = wished ?? on;
  return (
    <div className="supapush-switch-row">
      <label htmlFor={id} className={labelHidden ? 'supapush-hidden' : 'supapush-switch-label'}>
        {label}
      </label>
      <input
        id={id}
        type="checkbox"
        role="switch"
        className="supapush-switch"
        checked={shown}
        aria-checked={shown}
        disabled={disabled}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => void change(event.currentTarget.checked)}
      />
      {hint && (
        <p id={`${id}-hint`} className="supapush-hint">
          {hint}
        </p>
      )}
      <ErrorNote error={failure} />
    </div>
  );
}

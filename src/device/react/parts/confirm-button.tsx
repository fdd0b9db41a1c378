import { type ReactNode, useEffect, useRef, useState } from 'react';
import { ErrorNote } from './error-note.tsx';
import { useFailure } from './use-failure.ts';

export interface ConfirmButtonProps {
  /** What the button shows, before and after the question. */
  label: string;
  /** What it is called in full, for those who do not see what it stands beside. */
  fullLabel: string;
  question: string;
  cancelLabel: string;
  disabled?: boolean;
  /** False: it failed. */
  onConfirm: () => unknown;
  /** Why the last action of the hook failed: shown here where it was this one. */
  error: Error | null;
}

/** A button that asks first, in its own place; Escape is no. */
export function ConfirmButton(props: ConfirmButtonProps): ReactNode {
  const [asking, setAsking] = useState(false);
  const first = useRef<HTMLButtonElement>(null);
  const confirm = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);
  const [failure, attempt] = useFailure(props.error);
  useEffect(() => {
    // Focus follows to the question, and back from it.
    if (asking) confirm.current?.focus();
    else if (wasAsking.current) first.current?.focus();
    wasAsking.current = asking;
  }, [asking]);
  if (!asking) {
    return (
      <>
        <button
          type="button"
          ref={first}
          className="supapush-button supapush-quiet"
          aria-label={props.fullLabel}
          disabled={props.disabled}
          onClick={() => setAsking(true)}
        >
          {props.label}
        </button>
        <ErrorNote error={failure} />
      </>
    );
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would be a form's, and this is none
    <div
      role="group"
      aria-label={props.question}
      className="supapush-confirm"
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        setAsking(false);
      }}
    >
      <span>{props.question}</span>
      <button
        type="button"
        ref={confirm}
        className="supapush-button supapush-danger"
        onClick={() => {
          setAsking(false);
          void attempt(props.onConfirm());
        }}
      >
        {props.label}
      </button>
      <button type="button" className="supapush-button supapush-quiet" onClick={() => setAsking(false)}>
        {props.cancelLabel}
      </button>
    </div>
  );
}

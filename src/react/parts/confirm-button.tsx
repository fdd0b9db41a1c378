import { type ReactNode, useEffect, useRef, useState } from 'react';

export interface ConfirmButtonProps {
  /** What the button shows, before and after the question. */
  label: string;
  /** What it is called in full, for those who do not see what it stands beside. */
  fullLabel: string;
  question: string;
  cancelLabel: string;
  disabled?: boolean;
  onConfirm: () => unknown;
}

/** A button that asks first, in its own place; Escape is no. */
export function ConfirmButton(props: ConfirmButtonProps): ReactNode {
  const [asking, setAsking] = useState(false);
  const first = useRef<HTMLButtonElement>(null);
  const confirm = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);
  useEffect(() => {
    // Focus follows to the question, and back from it.
    if (asking) confirm.current?.focus();
    else if (wasAsking.current) first.current?.focus();
    wasAsking.current = asking;
  }, [asking]);
  if (!asking) {
    return (
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
          props.onConfirm();
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

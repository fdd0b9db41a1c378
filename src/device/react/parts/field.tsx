import { type ReactNode, useId } from 'react';

/** What a field's control has to carry to belong to its label, hint and fault. */
export interface FieldControl {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': true | undefined;
}

export interface FieldProps {
  label: string;
  hint?: string | undefined;
  /** What is wrong with it. */
  fault?: string | undefined;
  className?: string;
  children: (control: FieldControl) => ReactNode;
}

/** A form control with its label, what explains it, and what is wrong with it. */
export function Field({ label, hint, fault, className, children }: FieldProps): ReactNode {
  const id = useId();
  const described = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(' ');
  return (
    <div className={`supapush-field ${className ?? ''}`}>
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': described || undefined, 'aria-invalid': fault ? true : undefined })}
      {hint && (
        <p id={`${id}-hint`} className="supapush-hint">
          {hint}
        </p>
      )}
      {fault && (
        <p id={`${id}-fault`} className="supapush-fault">
          {fault}
        </p>
      )}
    </div>
  );
}

import type { ReactNode } from 'react';
import type { FieldControl } from './field.tsx';

export interface ChoiceProps<Value extends string> {
  control: FieldControl;
  value: Value;
  /** What can be chosen, and what it is called. */
  options: Readonly<Record<Value, string>>;
  onChange: (value: Value) => void;
}

/** A `<select>` of a few known values. */
export function Choice<Value extends string>({
  control,
  value,
  options,
  onChange,
}: ChoiceProps<Value>): ReactNode {
  return (
    <select {...control} value={value} onChange={(event) => onChange(event.currentTarget.value as Value)}>
      {Object.entries<string>(options).map(([key, label]) => (
        <option key={key} value={key}>
          {label}
        </option>
      ))}
    </select>
  );
}

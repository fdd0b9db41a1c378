import type { ReactNode } from 'react';
import { Choice } from '../parts/choice.tsx';
import { Field } from '../parts/field.tsx';
import { usePushContext } from '../push-provider.tsx';
import type { AlertDraft } from './alert-draft.ts';
import type { AlertFieldsProps } from './alert-form.tsx';

/** What most alerts do without: a pause between messages, a way back, hours, an end, a name. */
export function AlertMoreFields({ draft, faultOf, change }: AlertFieldsProps): ReactNode {
  const words = usePushContext().strings.alerts;
  const input = (
    field: 'hysteresis' | 'cooldown' | 'activeFrom' | 'activeUntil' | 'expiresAt' | 'setup',
    type: 'number' | 'time' | 'datetime-local' | 'text',
    label: string,
    hint?: string,
  ): ReactNode => (
    <Field label={label} hint={hint} fault={faultOf(field)}>
      {(control) => (
        <input
          {...control}
          type={type}
          {...(type === 'number' && { step: 'any', min: 0, inputMode: 'decimal' })}
          {...(type === 'text' && { maxLength: 50 })}
          value={draft[field]}
          onChange={(event) => change({ [field]: event.currentTarget.value } satisfies Partial<AlertDraft>)}
        />
      )}
    </Field>
  );
  return (
    <details className="supapush-more">
      <summary>{words.more}</summary>
      <div className="supapush-fields">
        {input('setup', 'text', words.name)}
        {input('cooldown', 'number', words.cooldown, words.cooldownHint)}
        {input('hysteresis', 'number', words.hysteresis, words.hysteresisHint)}
        <Field label={words.hysteresisUnit}>
          {(control) => (
            <Choice
              control={control}
              value={draft.hysteresisUnit}
              options={words.units}
              onChange={(hysteresisUnit) => change({ hysteresisUnit })}
            />
          )}
        </Field>
        {input('activeFrom', 'time', words.activeFrom)}
        {input(
          'activeUntil',
          'time',
          words.activeUntil,
          words.activeHint(draft.timezone.replaceAll('_', ' ')),
        )}
        {input('expiresAt', 'datetime-local', words.expiresAt)}
      </div>
    </details>
  );
}

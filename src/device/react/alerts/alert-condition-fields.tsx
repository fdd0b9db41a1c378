import { type ReactNode, useId } from 'react';
import { Choice } from '../parts/choice.tsx';
import { Field } from '../parts/field.tsx';
import { usePushContext } from '../push-provider.tsx';
import { WINDOWS } from './alert-draft.ts';
import type { AlertFieldsProps } from './alert-form.tsx';

export interface AlertConditionFieldsProps extends AlertFieldsProps {
  symbols: readonly string[];
  levels: readonly string[];
  /** Shown below the symbol. */
  children: ReactNode;
}

/** What an alert waits for. */
export function AlertConditionFields(props: AlertConditionFieldsProps): ReactNode {
  const { draft, faultOf, change, symbols, levels, children } = props;
  const { strings, format } = usePushContext();
  const words = strings.alerts;
  const lists = useId();
  const plain = { type: 'text', autoComplete: 'off', autoCapitalize: 'off', spellCheck: false } as const;
  return (
    <>
      <div className="supapush-wide">
        <Field label={words.symbol} fault={faultOf('symbol')}>
          {(control) => (
            <input
              {...control}
              {...plain}
              list={`${lists}-symbols`}
              value={draft.symbol}
              onChange={(event) => change({ symbol: event.currentTarget.value })}
            />
          )}
        </Field>
        <datalist id={`${lists}-symbols`}>
          {symbols.map((symbol) => (
            <option key={symbol} value={symbol} />
          ))}
        </datalist>
        {children}
      </div>
      <Field label={words.condition}>
        {(control) => (
          <Choice
            control={control}
            value={draft.condition}
            options={words.conditions}
            onChange={(condition) => change({ condition })}
          />
        )}
      </Field>
      {draft.condition === 'level' ? (
        <>
          <Field label={words.level} fault={faultOf('level')}>
            {(control) => (
              <input
                {...control}
                {...plain}
                list={`${lists}-levels`}
                value={draft.level}
                onChange={(event) => change({ level: event.currentTarget.value })}
              />
            )}
          </Field>
          <datalist id={`${lists}-levels`}>
            {levels.map((level) => (
              <option key={level} value={level} />
            ))}
          </datalist>
          <Field label={words.levelCondition}>
            {(control) => (
              <Choice
                control={control}
                value={draft.levelCondition}
                options={words.levelConditions}
                onChange={(levelCondition) => change({ levelCondition })}
              />
            )}
          </Field>
        </>
      ) : (
        <Field
          label={draft.condition === 'percent_change' ? words.percent : words.threshold}
          fault={faultOf('threshold')}
        >
          {(control) => (
            <input
              {...control}
              type="number"
              step="any"
              inputMode="decimal"
              value={draft.threshold}
              onChange={(event) => change({ threshold: event.currentTarget.value })}
            />
          )}
        </Field>
      )}
      {draft.condition === 'percent_change' && (
        <>
          <Field label={words.window}>
            {(control) => (
              <select
                {...control}
                value={draft.windowMinutes}
                onChange={(event) => change({ windowMinutes: Number(event.currentTarget.value) })}
              >
                {WINDOWS.map((minutes) => (
                  <option key={minutes} value={minutes}>
                    {format.minutes(minutes)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field label={words.direction}>
            {(control) => (
              <Choice
                control={control}
                value={draft.direction}
                options={words.directions}
                onChange={(direction) => change({ direction })}
              />
            )}
          </Field>
        </>
      )}
      <Field label={words.repeat}>
        {(control) => (
          <Choice
            control={control}
            value={draft.recurring ? 'recurring' : 'once'}
            options={{ once: words.once, recurring: words.recurring }}
            onChange={(repeat) => change({ recurring: repeat === 'recurring' })}
          />
        )}
      </Field>
    </>
  );
}

import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import type { Preferences } from '../../client/push-client.ts';
import { localTimeZone } from '../../shared/time-zone.ts';
import { Announcement, useAnnouncement } from '../parts/announcement.tsx';
import { ErrorNote } from '../parts/error-note.tsx';
import { Field } from '../parts/field.tsx';
import { Switch } from '../parts/switch.tsx';
import { useFailure } from '../parts/use-failure.ts';
import { usePushContext } from '../push-provider.tsx';
import { timeZones } from './time-zones.ts';

export interface QuietHoursProps {
  preferences: Preferences;
  /** Whether it went well. */
  onSave: (changes: Partial<Preferences>) => Promise<boolean>;
  /** Why the last change of preferences failed. */
  error: Error | null;
}

const NIGHT = { from: '22:00', until: '07:00' };

/** A daily time without notifications, by the clock of a time zone. Other hours of some weekdays stay as they are. */
export function QuietHours({ preferences, onSave, error }: QuietHoursProps): ReactNode {
  const { strings } = usePushContext();
  const words = strings.settings;
  const saved = {
    on: preferences.quietFrom !== null,
    from: clockOf(preferences.quietFrom) ?? NIGHT.from,
    until: clockOf(preferences.quietUntil) ?? NIGHT.until,
    timezone: preferences.timezone ?? localTimeZone(),
  };
  const [draft, setDraft] = useState(saved);
  const [fault, setFault] = useState<string | undefined>();
  const [failure, attempt] = useFailure(error);
  const [said, announce] = useAnnouncement();
  const until = useRef<HTMLInputElement>(null);
  const { on, from, timezone } = saved;
  // What was saved is what stands, here or on another device.
  useEffect(() => setDraft({ on, from, until: saved.until, timezone }), [on, from, saved.until, timezone]);

  const save = async (changes: Partial<Preferences>): Promise<boolean> => {
    const went = await onSave(changes);
    if (went) announce(words.saved);
    return went;
  };
  const hours = { quietFrom: draft.from, quietUntil: draft.until, timezone: draft.timezone };
  const toggle = async (on: boolean): Promise<boolean> => {
    setDraft({ ...draft, on });
    setFault(undefined);
    const went = await save(on ? hours : { quietFrom: null, quietUntil: null });
    if (!went) setDraft((draft) => ({ ...draft, on: !on }));
    return went;
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (draft.from === draft.until || !draft.from || !draft.until) {
      setFault(words.quietSame);
      until.current?.focus();
      return;
    }
    setFault(undefined);
    void attempt(save(hours));
  };
  const changed = (['from', 'until', 'timezone'] as const).some((field) => draft[field] !== saved[field]);
  return (
    <form className="supapush-quiet-hours" onSubmit={submit} noValidate>
      <Switch label={words.quietHours} hint={words.quietHint} on={draft.on} onChange={toggle} error={error} />
      {draft.on && (
        <div className="supapush-fields">
          <Field label={words.quietFrom}>
            {(control) => (
              <input
                {...control}
                type="time"
                value={draft.from}
                onChange={(event) => setDraft({ ...draft, from: event.currentTarget.value })}
              />
            )}
          </Field>
          <Field label={words.quietUntil} fault={fault}>
            {(control) => (
              <input
                {...control}
                ref={until}
                type="time"
                value={draft.until}
                onChange={(event) => setDraft({ ...draft, until: event.currentTarget.value })}
              />
            )}
          </Field>
          <Field label={words.timezone} className="supapush-wide">
            {(control) => (
              <select
                {...control}
                value={draft.timezone}
                onChange={(event) => setDraft({ ...draft, timezone: event.currentTarget.value })}
              >
                {timeZones(draft.timezone, localTimeZone()).map((zone) => (
                  <option key={zone} value={zone}>
                    {zone.replaceAll('_', ' ')}
                  </option>
                ))}
              </select>
            )}
          </Field>
          {changed && (
            <div className="supapush-buttons supapush-wide">
              <button type="submit" className="supapush-button supapush-primary">
                {words.save}
              </button>
            </div>
          )}
        </div>
      )}
      <ErrorNote error={failure} />
      <Announcement text={said} shown />
    </form>
  );
}

/** `22:00:00`, as the database has it, as an input has it. */
function clockOf(time: string | null): string | null {
  return time === null ? null : time === '24:00:00' || time === '24:00' ? '00:00' : time.slice(0, 5);
}

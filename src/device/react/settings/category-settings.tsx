import { type FormEvent, type ReactNode, useRef, useState } from 'react';
import { useAlerts } from '../hooks/use-alerts.ts';
import type { UsePushPreferences } from '../hooks/use-push-preferences.ts';
import { ErrorNote } from '../parts/error-note.tsx';
import { Field } from '../parts/field.tsx';
import { Switch } from '../parts/switch.tsx';
import { useFailure } from '../parts/use-failure.ts';
import { useKeptFocus } from '../parts/use-kept-focus.ts';
import { usePushContext } from '../push-provider.tsx';
import { alertCategory, mutedBy, otherMutes, symbolsToMute } from './muted-categories.ts';
import { SettingsSection } from './settings-section.tsx';

/** What the user is notified of: categories, alerts by symbol, and whatever else was muted. */
export function CategorySettings({ settings }: { settings: UsePushPreferences }): ReactNode {
  const { strings } = usePushContext();
  const { alerts } = useAlerts();
  const [symbol, setSymbol] = useState('');
  const place = useRef<HTMLDivElement>(null);
  useKeptFocus(place);
  const words = strings.settings;
  const muted = settings.preferences?.mutedCategories ?? [];
  const symbols = symbolsToMute(muted, alerts ?? []);
  const others = otherMutes(muted, settings.categories);
  const [symbolFailure, attemptSymbol] = useFailure(settings.error);
  const [unmuteFailure, attemptUnmute] = useFailure(settings.error);

  const row = (key: string, label: string, hint: string | null): ReactNode => {
    const by = mutedBy(muted, key);
    return (
      <Switch
        key={key}
        label={label}
        hint={hint}
        on={by === null}
        // What is muted from above is not turned on here.
        disabled={by !== null && by !== key}
        onChange={(on) => (on ? settings.unmute(key) : settings.mute(key))}
        error={settings.error}
      />
    );
  };
  const muteSymbol = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const wanted = symbol.trim();
    if (wanted && (await attemptSymbol(settings.mute(alertCategory(wanted))))) setSymbol('');
  };
  return (
    <div ref={place} tabIndex={-1} className="supapush-place">
      {settings.categories.length > 0 && (
        <SettingsSection title={words.categories} hint={words.categoriesHint}>
          {settings.categories.map(({ key, title, description }) => row(key, title, description))}
        </SettingsSection>
      )}
      <SettingsSection title={words.symbols} hint={words.symbolsHint}>
        {symbols.map((name) => row(alertCategory(name), name, null))}
        <form className="supapush-inline" onSubmit={(event) => void muteSymbol(event)}>
          <Field label={words.muteSymbol}>
            {(control) => (
              <input
                {...control}
                type="text"
                autoComplete="off"
                autoCapitalize="off"
                spellCheck={false}
                value={symbol}
                onChange={(event) => setSymbol(event.currentTarget.value)}
              />
            )}
          </Field>
          <button type="submit" className="supapush-button">
            {words.mute}
          </button>
        </form>
        <ErrorNote error={symbolFailure} />
      </SettingsSection>
      {others.length > 0 && (
        <SettingsSection title={words.otherMutes}>
          <ul className="supapush-mutes">
            {others.map((key) => (
              <li key={key}>
                <span>{key}</span>
                <button
                  type="button"
                  className="supapush-button supapush-quiet"
                  aria-label={words.unmuteCategory(key)}
                  onClick={() => void attemptUnmute(settings.unmute(key))}
                >
                  {words.unmute}
                </button>
              </li>
            ))}
          </ul>
          <ErrorNote error={unmuteFailure} />
        </SettingsSection>
      )}
    </div>
  );
}

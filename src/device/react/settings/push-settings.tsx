import { type ReactNode, useId } from 'react';
import { useSignedOut } from '../hooks/use-push.ts';
import { usePushPreferences } from '../hooks/use-push-preferences.ts';
import { ErrorNote } from '../parts/error-note.tsx';
import { OfUser } from '../parts/of-user.tsx';
import { Skeleton } from '../parts/skeleton.tsx';
import { Switch } from '../parts/switch.tsx';
import { usePushContext } from '../push-provider.tsx';
import { CategorySettings } from './category-settings.tsx';
import { DeviceSettings } from './device-settings.tsx';
import { QuietHours } from './quiet-hours.tsx';
import { SettingsSection } from './settings-section.tsx';
import { TopicSettings } from './topic-settings.tsx';

export interface PushSettingsProps {
  /** What to show, in this order; all of it unless given. */
  sections?: readonly ('devices' | 'when' | 'categories' | 'topics')[];
}

const ALL = ['devices', 'when', 'categories', 'topics'] as const;

/** Where users choose which devices are notified, when, and of what. Switches take effect at once. */
export function PushSettings(props: PushSettingsProps): ReactNode {
  return (
    <OfUser>
      <Settings {...props} />
    </OfUser>
  );
}

function Settings({ sections = ALL }: PushSettingsProps): ReactNode {
  const { strings } = usePushContext();
  const signedOut = useSignedOut();
  const settings = usePushPreferences();
  const { preferences, loadError } = settings;
  const title = useId();
  const words = strings.settings;

  // Nothing where they could not be loaded: the note above says so.
  const waiting = !preferences && !loadError && <Skeleton label={words.loading} rows={3} />;
  const body: Record<(typeof ALL)[number], () => ReactNode> = {
    devices: () => <DeviceSettings key="devices" />,
    when: () =>
      (preferences || waiting) && (
        <SettingsSection key="when" title={words.when}>
          {waiting}
          {preferences && (
            <>
              <Switch
                label={words.enabled}
                hint={words.enabledHint}
                on={preferences.enabled}
                onChange={(enabled) => settings.set({ enabled })}
                error={settings.error}
              />
              <QuietHours preferences={preferences} onSave={settings.set} error={settings.error} />
            </>
          )}
        </SettingsSection>
      ),
    categories: () =>
      preferences ? (
        <CategorySettings key="categories" settings={settings} />
      ) : (
        waiting && (
          <SettingsSection key="categories" title={words.categories}>
            {waiting}
          </SettingsSection>
        )
      ),
    topics: () => <TopicSettings key="topics" />,
  };
  return (
    <section className="supapush supapush-settings" aria-labelledby={title}>
      <h2 id={title}>{words.title}</h2>
      {signedOut ? (
        <p className="supapush-empty">{words.signedOut}</p>
      ) : (
        <>
          <ErrorNote error={loadError} {...(preferences === null && { onRetry: settings.reload })} />
          {sections.map((section) => body[section]())}
        </>
      )}
    </section>
  );
}

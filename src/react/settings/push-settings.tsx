import { type ReactNode, useId } from 'react';
import { useReady, useStatus } from '../hooks/use-push.ts';
import { usePushPreferences } from '../hooks/use-push-preferences.ts';
import { Announcement, useAnnouncement } from '../parts/announcement.tsx';
import { ErrorNote } from '../parts/error-note.tsx';
import { OfUser } from '../parts/of-user.tsx';
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
  const status = useStatus();
  const ready = useReady();
  const preferences = usePushPreferences();
  const [said, announce] = useAnnouncement();
  const title = useId();
  const words = strings.settings;

  const body: Record<(typeof ALL)[number], () => ReactNode> = {
    devices: () => <DeviceSettings key="devices" announce={announce} />,
    when: () =>
      preferences.preferences && (
        <SettingsSection key="when" title={words.when}>
          <Switch
            label={words.enabled}
            hint={words.enabledHint}
            on={preferences.preferences.enabled}
            onChange={(enabled) => preferences.set({ enabled })}
          />
          <QuietHours
            preferences={preferences.preferences}
            onSave={async (changes) => {
              if (await preferences.set(changes)) announce(words.saved);
            }}
          />
        </SettingsSection>
      ),
    categories: () => preferences.preferences && <CategorySettings key="categories" settings={preferences} />,
    topics: () => <TopicSettings key="topics" />,
  };
  return (
    <section className="supapush supapush-settings" aria-labelledby={title}>
      <h2 id={title}>{words.title}</h2>
      {status === 'signed-out' && <p className="supapush-empty">{words.signedOut}</p>}
      {ready && (
        <>
          <ErrorNote
            error={preferences.error}
            {...(preferences.preferences === null && { onRetry: preferences.reload })}
          />
          {preferences.loading && preferences.preferences === null && (
            <p className="supapush-empty">{words.loading}</p>
          )}
          {sections.map((section) => body[section]())}
        </>
      )}
      <Announcement text={said} shown />
    </section>
  );
}

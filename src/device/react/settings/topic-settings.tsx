import type { ReactNode } from 'react';
import { useTopics } from '../hooks/use-topics.ts';
import { ErrorNote } from '../parts/error-note.tsx';
import { Switch } from '../parts/switch.tsx';
import { usePushContext } from '../push-provider.tsx';
import { SettingsSection } from './settings-section.tsx';

/** The topics that the user may follow; nothing where the project has none. */
export function TopicSettings(): ReactNode {
  const { strings } = usePushContext();
  const { topics, error, loadError, reload, join, leave } = useTopics();
  if (!loadError && !topics?.length) return null;
  return (
    <SettingsSection title={strings.settings.topics} hint={strings.settings.topicsHint}>
      <ErrorNote error={loadError} {...(topics === null && { onRetry: reload })} />
      {topics?.map(({ key, title, description, joined }) => (
        <Switch
          key={key}
          label={title}
          hint={description}
          on={joined}
          onChange={(on) => (on ? join(key) : leave(key))}
          error={error}
        />
      ))}
    </SettingsSection>
  );
}

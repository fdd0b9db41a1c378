// Frameworks that render on servers load what is below in the browser too.
'use client';

export { AlertEditor, type AlertEditorProps } from './alerts/alert-editor.tsx';
export { type UseAlerts, useAlerts } from './hooks/use-alerts.ts';
export { type DeviceWithState, type UseDevices, useDevices } from './hooks/use-devices.ts';
export { type UseInbox, type UseInboxOptions, useInbox } from './hooks/use-inbox.ts';
export { type UsePush, usePush } from './hooks/use-push.ts';
export { type UsePushPreferences, usePushPreferences } from './hooks/use-push-preferences.ts';
export { type UseTopics, useTopics } from './hooks/use-topics.ts';
export { InboxBell, type InboxBellProps } from './inbox/inbox-bell.tsx';
export { PushPrompt, type PushPromptProps } from './prompt/push-prompt.tsx';
export { PushProvider, type PushProviderProps } from './push-provider.tsx';
export { PushSettings, type PushSettingsProps } from './settings/push-settings.tsx';
export { englishStrings, type PushStringChanges, type PushStrings } from './strings/push-strings.ts';

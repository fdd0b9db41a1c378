import { renderToString } from 'react-dom/server';
import { expect, test } from 'vitest';
import {
  AlertEditor,
  InboxBell,
  PushPrompt,
  PushProvider,
  PushSettings,
} from '../../src/device/react/index.ts';

// There is no window, no document and no client here.

test('components render without a browser and without a client, and ask nothing', () => {
  expect(globalThis).not.toHaveProperty('window');
  const html = renderToString(
    <PushProvider client={null} locale="en">
      <PushPrompt />
      <InboxBell />
      <PushSettings />
      <AlertEditor />
    </PushProvider>,
  );
  expect(html).toContain('aria-label="Inbox"');
  expect(html).toContain('Notification settings');
  expect(html).not.toContain('supapush-prompt');
});

test('a component without a provider says what to do', () => {
  expect(() => renderToString(<InboxBell />)).toThrow('Wrap your app in <PushProvider');
});

import { type ReactNode, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import {
  AlertEditor,
  InboxBell,
  PushPrompt,
  PushProvider,
  PushSettings,
  type PushStringChanges,
} from '../../../src/device/react/index.ts';
import { type Recorded, type RecordedState, recordedClient } from './recorded-client.ts';
import '../../../src/device/react/supapush.css';
import './react.css';

declare global {
  /** Shows a component over a client in some state, in place of what was shown before. */
  var show: (component: keyof typeof COMPONENTS, options?: ShowOptions) => void;
  /** What the components have asked of the client. */
  var recorded: Recorded;
}

interface ShowOptions {
  state?: RecordedState;
  theme?: 'light' | 'dark';
  strings?: PushStringChanges;
  locale?: string;
}

const COMPONENTS = {
  prompt: () => <PushPrompt />,
  settings: () => <PushSettings />,
  inbox: () => (
    <>
      <InboxBell
        limit={5}
        onOpen={(url, event) => {
          event.preventDefault();
          recorded.calls.push(['open', url]);
        }}
      />
      <button type="button">Elsewhere</button>
    </>
  ),
  alerts: () => <AlertEditor symbols={['DAX', 'BTC']} levels={['yesterday_high']} />,
  /** As in docs/start/frontend.md, one below the other. */
  together: () => (
    <>
      <InboxBell />
      <PushPrompt always />
      <PushSettings />
      <AlertEditor symbols={['DAX', 'BTC']} />
    </>
  ),
} satisfies Record<string, () => ReactNode>;

let root = createRoot(document.querySelector('#root') as Element);

globalThis.show = (component, { state, theme, strings, locale = 'en-GB' } = {}) => {
  root.unmount();
  root = createRoot(document.querySelector('#root') as Element);
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  globalThis.recorded = recordedClient(state);
  root.render(
    <StrictMode>
      <PushProvider client={recorded.client} locale={locale} {...(strings && { strings })}>
        <h1>Components</h1>
        {COMPONENTS[component]()}
      </PushProvider>
    </StrictMode>,
  );
};

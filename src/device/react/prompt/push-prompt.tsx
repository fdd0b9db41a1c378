import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import type { PushStatus } from '../../client/push-client.ts';
import { usePush } from '../hooks/use-push.ts';
import { useAnnouncement } from '../parts/announcement.tsx';
import { ErrorNote } from '../parts/error-note.tsx';
import { Icon } from '../parts/icon.tsx';
import { OfUser } from '../parts/of-user.tsx';
import { usePushContext } from '../push-provider.tsx';
import type { PushStrings } from '../strings/push-strings.ts';
import { recallNotNow, rememberNotNow, wasDeclined } from './not-now.ts';

export interface PushPromptProps {
  /** For how many days "not now" is remembered, 14 unless given. */
  declineDays?: number;
  /** Shows it even though the user said "not now", as where they asked for it. */
  always?: boolean;
  /** Called when it is closed, by "not now" or after it has done its work. */
  onClose?: () => void;
}

type Shown = 'default' | 'granted' | 'denied' | 'needs-install' | 'unsupported' | 'done';

/**
 * Explains what notifications are for, and asks the browser only once the user wants them. Where they are blocked, or
 * cannot be had, it says what to do. It shows nothing where there is nothing to do.
 */
export function PushPrompt(props: PushPromptProps): ReactNode {
  return (
    <OfUser>
      <Prompt {...props} />
    </OfUser>
  );
}

function Prompt({ declineDays = 14, always = false, onClose }: PushPromptProps): ReactNode {
  const { strings } = usePushContext();
  const { status, busy, error, subscribe, sendTest } = usePush();
  const [done, setDone] = useState(false);
  // True until the browser's storage was read: a server has none to read.
  const [declined, setDeclined] = useState(true);
  useEffect(() => {
    setDeclined(!always && wasDeclined(recallNotNow(), declineDays, Date.now()));
  }, [always, declineDays]);
  const [said, announce] = useAnnouncement();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // The button that was pressed is gone; what came of it is read out.
    if (done) heading.current?.focus();
  }, [done]);
  const title = useId();

  const shown = whatToShow(status, done);
  if (shown === null || declined) return null;
  const close = (): void => {
    if (shown !== 'done') rememberNotNow(Date.now());
    setDone(false);
    setDeclined(true);
    onClose?.();
  };
  const words = strings.prompt;
  const { icon, heading: headline, text } = explain(shown, words);
  return (
    <section className="supapush supapush-prompt" aria-labelledby={title} data-state={shown}>
      <span className="supapush-badge">
        <Icon name={icon} />
      </span>
      <div className="supapush-prompt-text">
        <h2 id={title} ref={heading} tabIndex={-1}>
          {headline}
        </h2>
        <p>{text}</p>
        {shown === 'needs-install' && (
          <ol>
            {words.installSteps.map((step) => (
              <li key={step}>{step}</li>
            ))}
          </ol>
        )}
        <ErrorNote error={error} />
        <div className="supapush-buttons">
          {(shown === 'default' || shown === 'granted') && (
            <button
              type="button"
              className="supapush-button supapush-primary"
              aria-disabled={busy !== null || undefined}
              onClick={async () => {
                if (busy === null && (await subscribe())) setDone(true);
              }}
            >
              {busy ? words.working : shown === 'default' ? words.allow : words.turnOn}
            </button>
          )}
          {shown === 'done' && (
            <button
              type="button"
              className="supapush-button"
              aria-disabled={busy !== null || undefined}
              onClick={async () => {
                if (busy === null && (await sendTest())) announce(words.testSent);
              }}
            >
              {words.sendTest}
            </button>
          )}
          <button type="button" className="supapush-button supapush-quiet" onClick={close}>
            {shown === 'default' || shown === 'granted' ? words.notNow : words.close}
          </button>
        </div>
        <div role="status" className="supapush-status">
          {said}
        </div>
      </div>
    </section>
  );
}

function whatToShow(status: PushStatus, done: boolean): Shown | null {
  if (status === 'subscribed') return done ? 'done' : null;
  return status === 'unknown' || status === 'signed-out' ? null : status;
}

function explain(
  shown: Shown,
  words: PushStrings['prompt'],
): { icon: 'bell' | 'blocked' | 'install' | 'done'; heading: string; text: string } {
  switch (shown) {
    case 'default':
      return { icon: 'bell', heading: words.title, text: words.why };
    case 'granted':
      return { icon: 'bell', heading: words.grantedTitle, text: words.grantedWhy };
    case 'denied':
      return { icon: 'blocked', heading: words.deniedTitle, text: words.deniedText };
    case 'needs-install':
      return { icon: 'install', heading: words.installTitle, text: words.installText };
    case 'unsupported':
      return { icon: 'blocked', heading: words.unsupportedTitle, text: words.unsupportedText };
    case 'done':
      return { icon: 'done', heading: words.doneTitle, text: words.doneText };
  }
}

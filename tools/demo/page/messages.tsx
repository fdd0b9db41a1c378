import type { SupabaseClient } from '@supabase/supabase-js';
import { type ReactNode, useEffect, useState } from 'react';
import type { PushClient } from '../../../src/device/client/index.ts';
import { dataOf, useProblem } from './problem.tsx';

interface Message {
  id: string;
  title: string;
  devices: number;
  sent: number;
  displayed: number;
  clicked: number;
  why: string | null;
}

const STEPS = ['sent', 'displayed', 'clicked'] as const;

/** What became of the newest messages: whether a push service took them, and what devices reported. */
export function Messages({ supabase, push }: { supabase: SupabaseClient; push: PushClient }): ReactNode {
  const [messages, setMessages] = useState<Message[]>([]);
  const { run, note } = useProblem();
  useEffect(() => {
    let current = true;
    let newest: string | undefined;
    const load = async (): Promise<void> => {
      if (document.visibilityState === 'hidden') return;
      const data = dataOf(await supabase.rpc('demo_messages'));
      if (!current) return;
      setMessages(data);
      const before = newest;
      newest = data[0]?.id ?? '';
      // Without a device, no service worker tells the inbox of a message, and there is no Realtime here that would.
      if (before !== undefined && newest !== before) {
        const said = { data: { type: 'supapush', event: 'displayed' } };
        navigator.serviceWorker?.dispatchEvent(new MessageEvent('message', said));
      }
    };
    void run(load);
    const end = push.inbox.onChange(() => void run(load));
    // A receipt comes shortly after its message, and nothing tells of it.
    const timer = setInterval(() => void run(load), 2000);
    return () => {
      current = false;
      end();
      clearInterval(timer);
    };
  }, [supabase, push, run]);
  return (
    <section className="supapush demo-card" aria-labelledby="messages">
      <h2 id="messages">Your messages</h2>
      {note}
      {messages.length === 0 && <p className="supapush-empty">No messages yet.</p>}
      <ol className="demo-rows">
        {messages.map((message) => (
          <li key={message.id} className="demo-row">
            <span className="demo-name">{message.title}</span>
            {message.devices === 0 ? (
              <span className="supapush-hint">only in the inbox, no device</span>
            ) : (
              <span className="demo-steps">
                {STEPS.map((step) => (
                  <span key={step} data-done={message[step] > 0 || undefined}>
                    {step}
                    {message[step] > 1 && ` ×${message[step]}`}
                  </span>
                ))}
                {message.why && message.sent === 0 && <span className="demo-why">{message.why}</span>}
              </span>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

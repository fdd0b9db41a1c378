import { type ReactNode, useCallback, useEffect, useState } from 'react';

/** Says something aloud, and shows it where `shown`. It is in the page from the beginning, or it would not be heard. */
export function Announcement({ text, shown = false }: { text: string; shown?: boolean }): ReactNode {
  return (
    <div role="status" className={shown ? 'supapush-status' : 'supapush-hidden'}>
      {text}
    </div>
  );
}

const SHOWN_MS = 8000;

/** What is announced last, until it is old, and how to announce something. */
export function useAnnouncement(): [text: string, announce: (text: string) => void] {
  const [said, setSaid] = useState({ text: '', count: 0 });
  const announce = useCallback((text: string) => setSaid(({ count }) => ({ text, count: count + 1 })), []);
  useEffect(() => {
    if (!said.text) return;
    const timer = setTimeout(() => setSaid(({ count }) => ({ text: '', count })), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [said]);
  // A live region announces only a change, so the same words a second time get a space that is neither seen nor heard.
  return [said.text && said.count % 2 ? `${said.text}\u00a0` : said.text, announce];
}

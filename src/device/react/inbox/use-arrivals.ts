import { useEffect, useRef, useState } from 'react';
import type { UseInbox } from '../hooks/use-inbox.ts';

/** How many are unread, once that number has grown; null before: messages that were there already are no news. */
export function useArrivals({ unread, loading, error }: UseInbox): number | null {
  const known = useRef<number | null>(null);
  const [arrived, setArrived] = useState<number | null>(null);
  useEffect(() => {
    if (loading || error) return;
    if (known.current !== null && unread > known.current) setArrived(unread);
    known.current = unread;
  }, [unread, loading, error]);
  return arrived;
}

import { useEffect } from 'react';
import type { PushClient } from '../../client/push-client.ts';

/** Calls back whenever messages came, were read, or may have been. */
export function useInboxChanges(client: PushClient | null, onChange: () => unknown): void {
  useEffect(() => client?.inbox.onChange(() => void onChange()), [client, onChange]);
}

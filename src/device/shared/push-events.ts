import type { DeviceMessage } from '../../shared/device-message.ts';

/** What `fetch()` takes to tell `push-events` something. */
export function eventsRequest(message: DeviceMessage): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(message),
  };
}

/** Whether `push-events` wants to hear the same again later: too slow (408), too often (429), or a failure of the project (5xx). */
export function isForLater(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** What the Windows Push Notification Services say beside the status; their answers have no body. */
export interface WnsAnswer {
  /** The message goes no further, whatever the HTTP status. */
  lost: boolean;
  /** … because this one device got too many. */
  throttled: boolean;
  /** Nothing of ours is taken any more, because of abuse: a 410 that is not about the device. */
  senderBlocked: boolean;
  /** Why, and what Microsoft asks for in a report of a problem. Empty where nothing is said. */
  reason: string;
}

const TRACES = ['X-WNS-Msg-ID', 'X-WNS-Debug-Trace', 'MS-CV'];

/** Reads what Microsoft documents under "Push notification service request and response headers". */
export function readWnsAnswer({ statusText, headers }: { statusText: string; headers: Headers }): WnsAnswer {
  const verdict = headers.get('X-WNS-Status') ?? headers.get('X-WNS-NotificationStatus') ?? '';
  const description = headers.get('X-WNS-Error-Description') ?? '';
  const traces = TRACES.map((name) => headers.has(name) && `${name} ${headers.get(name)}`);
  const throttled = verdict.toLowerCase() === 'channelthrottled';
  return {
    lost: throttled || verdict.toLowerCase() === 'dropped',
    throttled,
    senderBlocked: /\bdomain\b.*\bblocked\b/i.test(`${statusText} ${description}`),
    reason: [description, verdict, ...traces].filter(Boolean).join(', '),
  };
}

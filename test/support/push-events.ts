import type { Stack } from '../../tools/local/stack.ts';

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what a device parses is any JSON
  body: any;
}

export const eventsUrl = (stack: Pick<Stack, 'url'>) => `${stack.url}/functions/v1/push-events`;

/** Tells push-events what a service worker tells it: without a session or a key, from an origin of its own. */
export async function tell(
  stack: Pick<Stack, 'url'>,
  body: unknown,
  init: RequestInit = {},
): Promise<Answer> {
  const answer = await fetch(eventsUrl(stack), {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'https://app.example.com' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) };
}

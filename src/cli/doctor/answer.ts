import { z } from 'zod';
import { parseJson } from '../../shared/parse-json.ts';
import { reasonOf } from '../run-command.ts';

const bodyOf = z.looseObject({
  function: z.string().optional(),
  status: z.string().optional(),
  vapid_public_key: z.string().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
});

/** What something of the project has answered. */
export interface Answer {
  status: number;
  text: string;
  type: string;
  /** The release that a function says it is of. */
  version: string | null;
  /** Where it was redirected to. */
  redirectedTo: string | undefined;
  /** Empty where the text is no JSON object. */
  body: z.infer<typeof bodyOf>;
}

/** The answer to a GET within so many milliseconds; as a text, why there was none. */
export async function ask(
  url: string,
  patience: number,
  headers: Record<string, string> = {},
): Promise<Answer | string> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(patience) });
    const text = await response.text();
    return {
      status: response.status,
      text,
      type: response.headers.get('content-type') ?? 'no content type',
      version: response.headers.get('x-supapush-version'),
      redirectedTo: response.redirected ? response.url : undefined,
      body: bodyOf.safeParse(parseJson(text)).data ?? {},
    };
  } catch (error) {
    // Below "fetch failed" it says what failed.
    return reasonOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
  }
}

/** Status, code and message of an answer, as far as there are any. */
export function saidBy({ status, body }: Pick<Answer, 'status' | 'body'>): string {
  const said = [body.code, body.message].filter(Boolean).join(': ');
  return `${status}${said === '' ? '' : ` (${said})`}`;
}

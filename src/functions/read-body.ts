import { SupapushError } from '../errors.ts';

/**
 * The text of a request's body. Throws `body_too_large` beyond `maxBytes`, as soon as that is known: by what the request says of
 * its length, or by counting what arrives, because a body sent in chunks names no length.
 */
export async function readBody(request: Request, maxBytes: number): Promise<string> {
  const tooLarge = new SupapushError('body_too_large', `At most ${maxBytes} bytes are read.`);
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge;
  if (request.body === null) return '';
  let text = '';
  let length = 0;
  const decoder = new TextDecoder();
  for await (const chunk of request.body) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** More causes than this do not help a reader of the log. */
const MAX_DEPTH = 4;

/**
 * What an error says, followed by what its causes say. `fetch` itself says only that it failed; its cause says why, such as a
 * refused connection or an expired certificate. A cause without a message (several addresses that all failed) says its code.
 */
export function errorText(error: unknown): string {
  const said: string[] = [];
  let cause = error;
  for (let depth = 0; cause instanceof Error && depth < MAX_DEPTH; depth++) {
    const { message, name } = cause;
    const { code } = cause as Error & { code?: unknown };
    const text = message || (typeof code === 'string' ? code : name);
    if (!said.some((before) => before.includes(text))) said.push(text);
    cause = cause.cause;
  }
  return said.join(': ') || 'unknown error';
}

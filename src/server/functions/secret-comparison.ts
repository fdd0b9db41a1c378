/**
 * Whether two secrets are the same, in time that does not depend on where they differ or how long they are: their
 * SHA-256 digests are compared in full.
 */
export async function isSameSecret(given: string, expected: string): Promise<boolean> {
  const encoder = new TextEncoder();
  const [a, b] = await Promise.all(
    [given, expected].map(
      async (secret) => new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(secret))),
    ),
  );
  if (a === undefined || b === undefined) return false;
  let difference = 0;
  for (const [index, byte] of a.entries()) difference |= byte ^ (b[index] ?? 0);
  return difference === 0;
}

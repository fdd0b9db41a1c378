/** Like `Promise.all`, but fails only when nothing is under way any more, so that whatever started can be stopped. */
export async function allOrNone<const T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

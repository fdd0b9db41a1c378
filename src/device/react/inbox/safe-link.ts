/**
 * Where a message may lead: a path of the app, or an https (locally http) URL. Null for all else, such as `javascript:`
 * or `//elsewhere`, which the database refuses too.
 */
export function safeLink(url: string | null): string | null {
  if (url === null || /[\s\\]/.test(url)) return null;
  return /^(\/(?!\/)|https?:\/\/)/i.test(url) ? url : null;
}

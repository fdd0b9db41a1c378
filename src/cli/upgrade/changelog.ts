const HEADING = /^## \[?v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)\b.*$/gm;

/** What a changelog says of the releases after `from`, up to `to`, as it is written there; empty where it says nothing of them. */
export function changesBetween(changelog: string, from: string, to: string): string {
  const headings = [...changelog.replaceAll('\r\n', '\n').matchAll(HEADING)];
  const text = changelog.replaceAll('\r\n', '\n');
  return headings
    .filter(([, version = '']) => isLater(version, from) && !isLater(version, to))
    .map(({ index }) => {
      const end = text.indexOf('\n## ', index);
      return text.slice(index, end < 0 ? undefined : end).trim();
    })
    .join('\n\n');
}

/** By Semantic Versioning 2.0.0: a pre-release is before its release, and numbers in it are before words. */
function isLater(version: string, than: string): boolean {
  const [one, other] = [partsOf(version), partsOf(than)];
  const longest = Math.max(one.length, other.length);
  for (let place = 0; place < longest; place += 1) {
    const [mine, theirs] = [one[place], other[place]];
    if (mine === theirs) continue;
    // Of two pre-releases, that with more parts is the later.
    if (mine === undefined || theirs === undefined) return theirs === undefined;
    if (typeof mine === 'number' && typeof theirs === 'number') return mine > theirs;
    return typeof mine === typeof theirs ? mine > theirs : typeof mine === 'string';
  }
  return false;
}

/** A release has, where a pre-release has its parts, a word that is after all others. */
function partsOf(version: string): (number | string)[] {
  const [, core = '', draft] = /^([\d.]+)(?:-([^+]*))?/.exec(version) ?? [];
  const words = draft?.split('.').map((word) => (/^\d+$/.test(word) ? Number(word) : word));
  return [...core.split('.').map(Number), ...(words ?? ['\uffff'])];
}

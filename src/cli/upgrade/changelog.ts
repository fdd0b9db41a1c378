const HEADING = /^## \[?v?(\d+\.\d+\.\d+)\b.*$/gm;

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

function isLater(version: string, than: string): boolean {
  const parts = (text: string) => text.split(/\D/).slice(0, 3).map(Number);
  const [one, other] = [parts(version), parts(than)];
  const place = one.findIndex((part, index) => part !== other[index]);
  return place >= 0 && (one[place] ?? 0) > (other[place] ?? 0);
}

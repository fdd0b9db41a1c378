/** What becomes of one file. */
export interface Change {
  /** Absolute. */
  path: string;
  /** Null where there is none. */
  before: string | null;
  after: string;
  /** `kept`: it is there and differs from what this release brings, so it is left as it is. */
  kind: 'create' | 'patch' | 'unchanged' | 'kept';
  why: string;
}

/** Whether there is something to write. */
export function isPending({ kind }: Change): boolean {
  return kind === 'create' || kind === 'patch';
}

/** Whether two texts say the same, whatever their line ends. */
function sameText(one: string, other: string): boolean {
  return one.replaceAll('\r\n', '\n').trimEnd() === other.replaceAll('\r\n', '\n').trimEnd();
}

/** A file of ours: made where there is none, never replaced. */
export function planFile(path: string, before: string | null, wanted: string, why: string): Change {
  if (before === null) return { path, before, after: wanted, kind: 'create', why };
  return { path, before, after: before, kind: sameText(before, wanted) ? 'unchanged' : 'kept', why };
}

/** A file of the app's that gets lines of ours. */
export function planPatch(path: string, before: string | null, after: string, why: string): Change {
  return { path, before, after, kind: before === after ? 'unchanged' : 'patch', why };
}

/** How the lines of a text end. */
export function lineEndOf(text: string): '\n' | '\r\n' {
  return text.includes('\r\n') ? '\r\n' : '\n';
}

/** The text with lines at its end, in its own line ends. */
export function withLines(text: string, lines: string): string {
  const end = lineEndOf(text);
  const base = text === '' || text.endsWith('\n') ? text : text + end;
  return base + lines.replaceAll('\n', end) + end;
}

/** What becomes of one file. */
export interface Change {
  /** Absolute. */
  path: string;
  /** Null where there is none. */
  before: string | null;
  /** Empty where it is removed. */
  after: string;
  /** `kept`: it is there and differs from what this release brings, so it is left as it is. */
  kind: 'create' | 'patch' | 'remove' | 'unchanged' | 'kept';
  why: string;
}

/** Whether there is something to write, or to remove. */
export function isPending({ kind }: Change): boolean {
  return kind === 'create' || kind === 'patch' || kind === 'remove';
}

/** Whether two texts say the same, whatever their line ends. */
export function sameText(one: string, other: string): boolean {
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

/** A file of ours that goes, unless a person changed it. */
export function planRemoval(path: string, before: string, ours: string, why: string): Change {
  return sameText(before, ours)
    ? { path, before, after: '', kind: 'remove', why }
    : { path, before, after: before, kind: 'kept', why: 'it was changed: it is yours' };
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

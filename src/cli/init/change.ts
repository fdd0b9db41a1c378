import { withoutSeal } from './seal.ts';

/** What becomes of one file. */
export interface Change {
  /** Absolute. */
  path: string;
  /** Null where there is none. */
  before: string | null;
  after: string;
  /**
   * `kept`: it is there and differs from what this release brings, so it is left as it is. `replace`: it is ours, of an earlier
   * release.
   */
  kind: 'create' | 'patch' | 'replace' | 'unchanged' | 'kept';
  /** Of what is kept: what this release brings in its place. */
  offered?: string;
  why: string;
}

/** Whether there is something to write. */
export function isPending({ kind }: Change): boolean {
  return kind === 'create' || kind === 'patch' || kind === 'replace';
}

/** Whether two texts say the same, whatever their line ends and the release that says it. */
function sameText(one: string, other: string): boolean {
  const said = (text: string) => withoutSeal(text).replaceAll('\r\n', '\n').trimEnd();
  return said(one) === said(other);
}

/** A file of ours: made where there is none, never replaced. */
export function planFile(path: string, before: string | null, wanted: string, why: string): Change {
  if (before === null) return { path, before, after: wanted, kind: 'create', why };
  if (sameText(before, wanted)) return { path, before, after: before, kind: 'unchanged', why };
  return { path, before, after: before, kind: 'kept', offered: wanted, why };
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

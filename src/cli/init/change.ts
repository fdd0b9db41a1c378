import { withoutSeal } from './seal.ts';

/** What becomes of one file. */
export interface Change {
  /** Absolute. */
  path: string;
  /** Null where there is none. */
  before: string | null;
  /** Empty where it is removed. */
  after: string;
  /**
   * `kept`: it is there and differs from what this release brings, so it is left as it is. `replace`: it is ours, of an earlier
   * release.
   */
  kind: 'create' | 'patch' | 'replace' | 'remove' | 'unchanged' | 'kept';
  /** Of what is kept: what this release brings in its place. */
  offered?: string;
  why: string;
}

/** Whether there is something to write, or to remove. */
export function isPending({ kind }: Change): boolean {
  return kind === 'create' || kind === 'patch' || kind === 'replace' || kind === 'remove';
}

/** Whether two texts say the same, whatever their line ends and the release that says it. */
export function sameText(one: string, other: string): boolean {
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

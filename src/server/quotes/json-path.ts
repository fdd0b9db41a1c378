/** One step of a path: a key, an index, each element of a list, or the symbol that was asked for as a key. */
export type JsonStep =
  | { kind: 'key'; key: string }
  | { kind: 'index'; index: number }
  | { kind: 'each' }
  | { kind: 'symbol' };

const STEP =
  /\.?(?<name>[A-Za-z_][A-Za-z0-9_-]*)|\.?(?<symbol>\{symbol\})|\[(?<index>\d{1,4})\]|(?<each>\[\*\])|\["(?<quoted>[^"\\]{1,100})"\]/y;

/** Reads `data[*].last`, `{symbol}.usd` or `["Global Quote"]["05. price"]`. Throws a RangeError for anything else. */
export function parseJsonPath(path: string): JsonStep[] {
  const steps: JsonStep[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < path.length) {
    const at = STEP.lastIndex;
    const found = STEP.exec(path);
    // A dot stands between two steps, never before the first.
    const dotted = path[at] === '.';
    if (!found?.groups || (at === 0 && dotted)) throw new RangeError(`No path: ${path}`);
    const { name, symbol, index, each, quoted } = found.groups;
    if ((name ?? symbol) !== undefined && at > 0 && !dotted) throw new RangeError(`No path: ${path}`);
    const key = name ?? quoted;
    if (key !== undefined) steps.push({ kind: 'key', key });
    else if (index !== undefined) steps.push({ kind: 'index', index: Number(index) });
    else steps.push({ kind: each === undefined ? 'symbol' : 'each' });
  }
  if (steps.length === 0) throw new RangeError('No path: it is empty');
  return steps;
}

/** What a path without `[*]` leads to; undefined where it leads nowhere. */
export function walkJson(value: unknown, steps: readonly JsonStep[], symbol: string): unknown {
  let here = value;
  for (const step of steps) {
    if (typeof here !== 'object' || here === null) return undefined;
    if (step.kind === 'index') {
      here = Array.isArray(here) ? here[step.index] : undefined;
      continue;
    }
    const key = step.kind === 'key' ? step.key : symbol;
    // Only own keys: a path never means the inherited `constructor`.
    if (step.kind === 'each' || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}

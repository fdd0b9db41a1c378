const CONTEXT = 3;
/** Of a line; a built file may have all of it in one. */
const WIDEST = 160;
/** Of lines that are compared with each other; beyond it the whole is shown as changed. */
const MOST = 4_000_000;

interface Line {
  sign: ' ' | '-' | '+';
  text: string;
}

/** What makes one text of another, as a diff with three lines around each change: `-` is only in the first, `+` only in the second. */
export function diffOf(before: string, after: string): string {
  const lines = compare(linesOf(before), linesOf(after));
  const shown = new Set<number>();
  lines.forEach(({ sign }, place) => {
    if (sign === ' ') return;
    for (let near = place - CONTEXT; near <= place + CONTEXT; near += 1) shown.add(near);
  });
  return lines
    .flatMap(({ sign, text }, place) => {
      if (!shown.has(place)) return [];
      const cut = text.length > WIDEST ? `${text.slice(0, WIDEST)} …` : text;
      return [...(place > 0 && !shown.has(place - 1) ? ['…'] : []), `${sign} ${cut}`.trimEnd()];
    })
    .join('\n');
}

function linesOf(text: string): string[] {
  return text.replaceAll('\r\n', '\n').trimEnd().split('\n');
}

function compare(before: readonly string[], after: readonly string[]): Line[] {
  let start = 0;
  while (start < Math.min(before.length, after.length) && before[start] === after[start]) start += 1;
  let end = 0;
  while (
    end < Math.min(before.length, after.length) - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  )
    end += 1;
  const same = (texts: readonly string[]): Line[] => texts.map((text) => ({ sign: ' ', text }));
  return [
    ...same(before.slice(0, start)),
    ...changed(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...same(before.slice(before.length - end)),
  ];
}

/** By the longest common subsequence. */
function changed(before: readonly string[], after: readonly string[]): Line[] {
  const lines = (sign: Line['sign'], texts: readonly string[]): Line[] =>
    texts.map((text) => ({ sign, text }));
  if (before.length * after.length > MOST) return [...lines('-', before), ...lines('+', after)];
  const width = after.length + 1;
  // Of the rest from here on, how many lines are in both.
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      const here = before[i] === after[j] ? (common[(i + 1) * width + j + 1] ?? 0) + 1 : 0;
      common[i * width + j] = Math.max(
        here,
        common[(i + 1) * width + j] ?? 0,
        common[i * width + j + 1] ?? 0,
      );
    }
  }
  const found: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length && j < after.length) {
    if (before[i] === after[j]) {
      found.push({ sign: ' ', text: before[i] ?? '' });
      i += 1;
      j += 1;
    } else if ((common[(i + 1) * width + j] ?? 0) >= (common[i * width + j + 1] ?? 0)) {
      found.push({ sign: '-', text: before[i] ?? '' });
      i += 1;
    } else {
      found.push({ sign: '+', text: after[j] ?? '' });
      j += 1;
    }
  }
  return [...found, ...lines('-', before.slice(i)), ...lines('+', after.slice(j))];
}

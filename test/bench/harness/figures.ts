import type { Compared, Findings } from './bench.ts';

/** What a bench compares of itself, by name. Throws where its table has no such cell, or text in it. */
export function figuresOf(
  { columns, rows }: Findings,
  compared: readonly Compared[],
): Record<string, number> {
  return Object.fromEntries(
    compared.map(({ name, row, column }) => {
      const cell = rows.find(([first]) => first === row)?.[columns.indexOf(column)];
      if (typeof cell !== 'number') throw new Error(`${name}: the table has no number at ${row}, ${column}`);
      return [name, cell];
    }),
  );
}

/**
 * The same from what a run printed, perhaps that of another commit: from its `RESULT` line, or from its table where the
 * commit is older than `figures` in that line. Throws where neither has the number.
 */
export function readFigures(stdout: string, compared: readonly Compared[]): Record<string, number> {
  const lines = stdout.split('\n');
  const result = lines.findLast((line) => line.startsWith('RESULT '));
  if (result === undefined) throw new Error('It printed no RESULT line');
  const { figures = {} } = JSON.parse(result.slice('RESULT '.length)) as { figures?: Record<string, number> };
  return Object.fromEntries(
    compared.map(({ name, row, column }) => {
      const value = figures[name] ?? cellOf(lines, row, column);
      if (value === undefined || !Number.isFinite(value)) {
        throw new Error(`It says nothing of ${name}, row ${row}, column ${column}`);
      }
      return [name, value];
    }),
  );
}

/** A number of a printed table, whose columns are as wide as the lines below their headings. */
function cellOf(lines: string[], row: string, column: string): number | undefined {
  const below = lines.findIndex((line) => /^─+( {2}─+)*$/.test(line));
  if (below < 1) return undefined;
  let start = 0;
  const spans = (lines[below] ?? '').split('  ').map((rule) => {
    const span = [start, start + rule.length] as const;
    start += rule.length + 2;
    return span;
  });
  const cells = (line: string) => spans.map(([from, to]) => line.slice(from, to).trim());
  const index = cells(lines[below - 1] ?? '').indexOf(column);
  const found = lines.slice(below + 1).find((line) => cells(line)[0] === row);
  const text = found === undefined ? undefined : cells(found)[index];
  return text === undefined || text === '' ? undefined : Number(text.replaceAll(',', ''));
}

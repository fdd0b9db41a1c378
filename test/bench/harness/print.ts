import { type Findings, isMet, type Mark } from './bench.ts';

/** What programs are told: the bench, its marks, whether they are met, and what the caller adds. */
export type Result = { bench: string; ratios: Record<string, number>; met: boolean };

/** A table and its marks as text for people, then the one `RESULT` line for programs. */
export function printFindings({ columns, rows, marks, notes = [] }: Findings, result: Result): string {
  const lines = table(columns, rows);
  if (notes.length > 0) lines.push('', ...notes);
  lines.push('', ...marks.map(describeMark), '', `RESULT ${JSON.stringify(result)}`);
  return `${lines.join('\n')}\n`;
}

/** Whether every mark is met; a bench without marks proves nothing and is not. */
export function allMet(marks: Mark[]): boolean {
  return marks.length > 0 && marks.every(isMet);
}

/** The `RESULT` of these marks; `more` is what a program may want besides. */
export function resultOf<More extends object>(bench: string, marks: Mark[], more: More): Result & More {
  const ratios = Object.fromEntries(marks.map(({ name, value }) => [name, rounded(value)]));
  return { bench, ...more, ratios, met: allMet(marks) };
}

/** Four digits, as many as a bench can mean. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function describeMark(mark: Mark): string {
  const limits = [
    ...(mark.atLeast === undefined ? [] : [`at least ${mark.atLeast}`]),
    ...(mark.atMost === undefined ? [] : [`at most ${mark.atMost}`]),
  ];
  return `${isMet(mark) ? 'met   ' : 'MISSED'}  ${mark.name}: ${format(mark.value)}, must be ${limits.join(' and ')}`;
}

function table(columns: string[], rows: (string | number)[][]): string[] {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? format(cell) : cell)));
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...cells.map((row) => row[index]?.length ?? 0)),
  );
  const line = (row: string[]) =>
    // The first column names the row; the others are numbers.
    row
      .map((cell, index) =>
        index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [line(columns), widths.map((width) => '─'.repeat(width)).join('  '), ...cells.map(line)];
}

function format(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

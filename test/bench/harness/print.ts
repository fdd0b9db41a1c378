import { type Findings, isMet, type Mark } from './bench.ts';

/** A table and its marks as text for people, then the one `RESULT` line for programs. */
export function printFindings(name: string, { columns, rows, marks, notes = [] }: Findings): string {
  const lines = table(columns, rows);
  if (notes.length > 0) lines.push('', ...notes);
  lines.push('', ...marks.map(describeMark), '', resultLine(name, marks));
  return `${lines.join('\n')}\n`;
}

/** Whether every mark is met; a bench without marks proves nothing and is not. */
export function allMet(marks: Mark[]): boolean {
  return marks.length > 0 && marks.every(isMet);
}

function resultLine(bench: string, marks: Mark[]): string {
  const ratios = Object.fromEntries(marks.map(({ name, value }) => [name, Number(value.toPrecision(4))]));
  return `RESULT ${JSON.stringify({ bench, ratios, met: allMet(marks) })}`;
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

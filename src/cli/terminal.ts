import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** The text in a style, where it is printed on a terminal that has not refused it; elsewhere as it is. */
export function styled(style: Style, text: string): string {
  const refused = process.env.NO_COLOR !== undefined && process.env.NO_COLOR !== '';
  return process.stdout.isTTY && !refused ? styleText(style, text) : text;
}

/** Rows with their columns one below the other, two spaces apart. Cells are plain text; `style` gets each when its place is known. */
export function columns(
  rows: readonly (readonly string[])[],
  style: (cell: string, row: number, column: number) => string = (cell) => cell,
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    });
  }
  return rows.map((row, place) =>
    row
      .map((cell, column) => {
        const isLast = column === row.length - 1;
        const gap = isLast ? '' : ' '.repeat((widths[column] ?? 0) - widthOf(cell) + 2);
        return style(cell, place, column) + gap;
      })
      .join(''),
  );
}

function widthOf(text: string): number {
  return [...text].length;
}

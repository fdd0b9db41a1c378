/** A row under the names that TypeScript uses: `quiet_from` as `quietFrom`. Times of day lose seconds that are none. */
export function fromRow<T>(row: unknown): T {
  return Object.fromEntries(
    Object.entries(row as object).map(([column, value]) => [
      column.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
      /_(from|until)$/.test(column) && typeof value === 'string'
        ? value.replace(/^(..:..):00$/, '$1')
        : value,
    ]),
  ) as T;
}

/** The columns of what TypeScript names: `quietFrom` as `quiet_from`. */
export function toRow(values: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [columnOf(name), value]));
}

/** `quietFrom` as `quiet_from`. */
export function columnOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

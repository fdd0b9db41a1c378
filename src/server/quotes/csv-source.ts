import { parseCsv } from './csv-rows.ts';
import { type QuotePlaces, type QuoteSource, QuoteSourceError, type RawQuote } from './quote-source.ts';

/**
 * A source that answers CSV. Columns are named by the first line, or numbered from 1; `Date+Time` joins two by a space.
 * Without a column for symbols an answer is about the one symbol that was asked for, and its last line counts.
 */
export function createCsvSource(places: QuotePlaces, delimiter = ','): QuoteSource {
  const wanted = [places.valueAt, places.symbolAt, places.timeAt].filter((column) => column !== null);
  const hasHeader = wanted.some((column) => column.split('+').some((part) => !isNumber(part)));

  return {
    accept: 'text/csv, text/plain;q=0.9, */*;q=0.5',
    read(text, names) {
      if (/^\s*<(!doctype|html|\?xml|head|body)/i.test(text)) {
        throw new QuoteSourceError(
          'answer_malformed',
          'It answered an HTML or XML page where CSV was expected.',
        );
      }
      const rows = rowsOf(text, delimiter);
      const header = hasHeader ? rows.shift() : [];
      const columns = (column: string): number[] =>
        column.split('+').map((part) => {
          const index = isNumber(part) ? Number(part) - 1 : (header ?? []).indexOf(part);
          if (index >= 0) return index;
          throw new QuoteSourceError(
            'answer_malformed',
            `The first line of its answer names no column ${part}.`,
          );
        });
      const field = (row: string[], indexes: number[]): string =>
        indexes.map((index) => row[index]?.trim() ?? '').join(' ');

      const value = columns(places.valueAt);
      const time = places.timeAt === null ? undefined : columns(places.timeAt);
      const quoteOf = (name: string, row: string[]): RawQuote => ({
        name,
        value: field(row, value),
        time: time && field(row, time),
      });
      if (places.symbolAt === null) {
        const [name, ...others] = names;
        const last = rows.at(-1);
        return name === undefined || others.length > 0 || !last ? [] : [quoteOf(name, last)];
      }
      const symbol = columns(places.symbolAt);
      const asked = new Set(names);
      const found = new Map<string, RawQuote>();
      for (const row of rows) {
        const name = field(row, symbol);
        if (asked.has(name)) found.set(name, quoteOf(name, row));
      }
      return [...found.values()];
    },
  };
}

function rowsOf(text: string, delimiter: string): string[][] {
  try {
    return parseCsv(text, delimiter);
  } catch {
    throw new QuoteSourceError('answer_malformed', 'Its answer is no CSV: a quoted field does not end.');
  }
}

function isNumber(column: string): boolean {
  return /^[1-9]\d{0,2}$/.test(column);
}

import { parseExactJson } from '../../shared/parse-json.ts';
import { type JsonStep, parseJsonPath, walkJson } from './json-path.ts';
import { type QuotePlaces, type QuoteSource, QuoteSourceError, type RawQuote } from './quote-source.ts';

/**
 * A source that answers JSON. With `[*]` in its paths an answer is a list of quotes; with `{symbol}` an object by
 * symbol; otherwise it is about the one symbol that was asked for.
 */
export function createJsonSource(places: QuotePlaces): QuoteSource {
  const value = parseJsonPath(places.valueAt);
  const symbol = places.symbolAt === null ? undefined : parseJsonPath(places.symbolAt);
  const time = places.timeAt === null ? undefined : parseJsonPath(places.timeAt);
  const listAt = value.findIndex(({ kind }) => kind === 'each');

  const readOne = (root: unknown, name: string): RawQuote[] => {
    // An answer about another symbol than the one asked for is none.
    if (symbol && textOf(walkJson(root, symbol, name)) !== name) return [];
    const found = walkJson(root, value, name);
    if (found === undefined) return [];
    return [{ name, value: found, time: time && walkJson(root, time, name) }];
  };

  const readList = (root: unknown, names: readonly string[]): RawQuote[] => {
    const list = walkJson(root, value.slice(0, listAt), '');
    if (!Array.isArray(list)) {
      throw new QuoteSourceError(
        'answer_malformed',
        'Its answer has no list where the path of the value says.',
      );
    }
    const asked = new Set(names);
    const found = new Map<string, RawQuote>();
    for (const element of list) {
      const inElement = (steps: readonly JsonStep[], name: string): unknown => {
        const each = steps.findIndex(({ kind }) => kind === 'each');
        return each < 0 ? walkJson(root, steps, name) : walkJson(element, steps.slice(each + 1), name);
      };
      const name = textOf(symbol && inElement(symbol, ''));
      if (name === undefined || !asked.has(name)) continue;
      found.set(name, { name, value: inElement(value, name), time: time && inElement(time, name) });
    }
    return [...found.values()];
  };

  return {
    accept: 'application/json',
    read(text, names) {
      const root = parseExactJson(text);
      if (root === undefined) {
        const what = /^\s*</.test(text) ? 'an HTML or XML page' : 'no JSON';
        throw new QuoteSourceError('answer_malformed', `It answered ${what} where JSON was expected.`);
      }
      if (listAt >= 0) return readList(root, names);
      if (names.length > 1 && !value.some(({ kind }) => kind === 'symbol')) {
        throw new QuoteSourceError(
          'answer_malformed',
          'Nothing says which symbol a value in its answer is of.',
        );
      }
      return names.flatMap((name) => readOne(root, name));
    },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

/** What a value of a request cannot become; answered as PostgREST answers the same error of PostgreSQL. */
export class ValueError extends Error {
  override readonly name = 'PostgresError';
  readonly code: string;
  readonly detail: string | undefined;

  constructor(code: string, message: string, detail?: string) {
    super(message);
    this.code = code;
    this.detail = detail;
  }
}

/** JSON as text, of any depth: JSON.stringify ends at some thousand levels with a RangeError. */
export function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return toJsonWithoutRecursion(value);
  }
}

function toJsonWithoutRecursion(value: unknown): string {
  const written: string[] = [];
  // What is still to be written, the next at the end: text as it is, or a value in a list of its own.
  const rest: (string | [unknown])[] = [[value]];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next === 'string') {
      written.push(next);
    } else if (Array.isArray(next[0])) {
      rest.push(']');
      for (const [index, item] of [...next[0].entries()].reverse()) rest.push([item], index === 0 ? '' : ',');
      rest.push('[');
    } else if (typeof next[0] === 'object' && next[0] !== null) {
      rest.push('}');
      for (const [index, [name, item]] of [...Object.entries(next[0]).entries()].reverse()) {
        rest.push([item], `${index === 0 ? '' : ','}${JSON.stringify(name)}:`);
      }
      rest.push('{');
    } else {
      written.push(JSON.stringify(next[0]));
    }
  }
  return written.join('');
}

/**
 * The text of a JSON value that reaches the input function of a column's type, as `json_to_record` has it, by which
 * PostgREST reads bodies: strings and numbers as they are, objects as JSON, arrays for array types (`text[]`, `_text`) as
 * PostgreSQL writes them. Throws `ValueError` for what cannot be text of a database.
 */
export function toColumnText(value: unknown, type: string): string {
  const elementType = elementOf(type);
  if (elementType !== undefined && Array.isArray(value)) return toArrayText(value, elementType);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new ValueError('22003', 'A number of the body is out of range.');
  }
  const isJson = isJsonType(type) || typeof value !== 'string';
  const text = isJson ? toJson(value) : value;
  if (text.includes('\0') || (isJson && ESCAPED_NUL.test(text))) {
    throw new ValueError(
      '22P05',
      'unsupported Unicode escape sequence',
      '\\u0000 cannot be converted to text.',
    );
  }
  if (!text.isWellFormed() || (isJson && ESCAPED_SURROGATE.test(text))) {
    throw new ValueError(
      '22P02',
      'invalid input syntax for type json',
      'Unicode low surrogate must follow a high surrogate.',
    );
  }
  if (elementType !== undefined && typeof value !== 'string') {
    throw new ValueError('22P02', 'expected JSON array');
  }
  return text;
}

const ESCAPED_NUL = /(?<!\\)(?:\\\\)*\\u0000/;
// JSON.stringify writes pairs as they are, and what has lost its other half as an escape.
const ESCAPED_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

export function isJsonType(type: string): boolean {
  return type === 'json' || type === 'jsonb';
}

/** Of an array type the type of its elements. */
export function elementOf(type: string): string | undefined {
  if (type.endsWith('[]')) return type.slice(0, -2);
  return type.startsWith('_') ? type.slice(1) : undefined;
}

const MAX_DIMENSIONS = 6;

function toArrayText(items: unknown[], elementType: string, dimensions = 1): string {
  if (dimensions > MAX_DIMENSIONS) {
    const message = `number of array dimensions exceeds the maximum allowed (${MAX_DIMENSIONS})`;
    throw new ValueError('54000', message);
  }
  const texts = items.map((item) => {
    if (item === null) return 'NULL';
    if (Array.isArray(item)) return toArrayText(item, elementType, dimensions + 1);
    return `"${toColumnText(item, elementType).replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${texts.join(',')}}`;
}

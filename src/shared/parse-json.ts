/** The value of a JSON text, or undefined when it is none: for text from outside, whose shape is checked next. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * As `parseJson`, with whole numbers beyond 2^53 as text: their digits, which a number would not have. For text in which
 * such numbers are names.
 */
export function parseExactJson(text: string): unknown {
  // Asking for each value's source takes several times as long, and hardly any text needs it.
  if (!/\d{16}/.test(text)) return parseJson(text);
  try {
    return JSON.parse(text, keepDigits);
  } catch {
    return undefined;
  }
}

/** A runtime that does not tell the source (V8 does since 2023) leaves the number as it is. */
function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? (context?.source ?? value) : value;
}

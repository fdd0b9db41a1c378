import type { PostgresType } from 'postgres';

/**
 * Marks text that is JSON already. Postgres refuses U+0000 in jsonb, so no value of a client can begin with it and
 * be taken for marked.
 */
const JSON_TEXT = '\u0000';

/** Marks a text as JSON, so that it reaches a json or jsonb parameter as it is instead of as a JSON string. */
export function jsonText(text: string): string {
  return JSON_TEXT + text;
}

/** A text that PostgreSQL is to read as it is: not a string, so that @supabase/lite makes no number or boolean of it. */
export class PlainText {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/**
 * How values of the database become JSON as PostgREST writes it (which lets Postgres' own `to_json` do it), where
 * @supabase/lite 0.10 differs. Arrays of these types follow.
 */
export const postgrestTypes: Record<string, PostgresType> = {
  json: { to: 114, from: [114], serialize: serializeJson, parse: JSON.parse },
  jsonb: { to: 3802, from: [3802], serialize: serializeJson, parse: JSON.parse },
  timestamp: { to: 1114, from: [1114], serialize: asText, parse: isoTimestamp },
  timestamptz: { to: 1184, from: [1184], serialize: asText, parse: isoTimestamp },
  date: { to: 1082, from: [1082], serialize: asText, parse: asIs },
  time: { to: 1083, from: [1083], serialize: asText, parse: asIs },
  timetz: { to: 1266, from: [1266], serialize: asText, parse: asIs },
  boolean: { to: 16, from: [16], serialize: asText, parse: (text: string) => text === 't' },
  numeric: { to: 1700, from: [1700], serialize: String, parse: toNumber },
  bytea: { to: 17, from: [17], serialize: asText, parse: asIs },
};

function serializeJson(value: unknown): string {
  if (typeof value === 'string' && value.startsWith(JSON_TEXT)) return value.slice(JSON_TEXT.length);
  return JSON.stringify(value);
}

function asText(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}

function asIs(text: string): string {
  return text;
}

/** `2026-11-21 00:31:26.1+00` to `2026-11-21T00:31:26.1+00:00`; infinity and years BC stay as Postgres writes them. */
function isoTimestamp(text: string): string {
  return text.replace(
    /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:([+-]\d\d)(:\d\d)?)?$/,
    (_, date, time, hours, minutes) => `${date}T${time}${hours ? hours + (minutes ?? ':00') : ''}`,
  );
}

/** NaN and the infinities are strings in JSON, as `to_json` has it. */
function toNumber(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

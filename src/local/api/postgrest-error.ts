/** The fields of a database error that PostgREST hands to clients. */
export interface DatabaseError {
  code: string;
  message: string;
  detail?: string | undefined;
  hint?: string | undefined;
}

/** What @supabase/lite answers with the status and body given, word for word: PostgREST's custom error (`PGRST`). */
export interface AnsweredError {
  code: 'PGRST';
  message: string;
  detail: string;
}

// By class or code, the longer first: https://docs.postgrest.org/en/stable/references/errors.html#status-codes
// Those @supabase/lite already maps by itself (42…, 22…, 21…, 23502, 25006, PTnnn, PGRST) are not listed.
const STATUS: [prefix: string, status: number][] = [
  ['23503', 409],
  ['23505', 409],
  ['53400', 500],
  ['P0001', 400],
  ['08', 503],
  ['09', 500],
  ['0L', 403],
  ['0P', 403],
  ['25', 500],
  ['28', 403],
  ['2D', 500],
  ['38', 500],
  ['39', 500],
  ['3B', 500],
  ['40', 500],
  ['53', 503],
  ['54', 500],
  ['55', 500],
  ['57', 500],
  ['58', 500],
  ['F0', 500],
  ['HV', 500],
  ['P0', 500],
  ['XX', 500],
];

const LEFT_TO_LITE = /^(42|22|21|23502|25006|PT|PGRST)/;

/**
 * Turns an error that @supabase/lite would answer with a bare 500 `SUP` (raised exceptions, own SQLSTATEs, check
 * constraints and the rest) into PostgREST's answer: the status of its table, 400 for any other code, and the
 * error's own code, message, detail and hint. Undefined for one that needs no help.
 */
export function toPostgrestError(error: unknown): AnsweredError | undefined {
  if (!isDatabaseError(error) || LEFT_TO_LITE.test(error.code)) return undefined;
  const status = STATUS.find(([prefix]) => error.code.startsWith(prefix))?.[1] ?? 400;
  const { code, message, detail, hint } = error;
  return {
    code: 'PGRST',
    message: JSON.stringify({ code, message, details: detail ?? null, hint: hint ?? null }),
    detail: JSON.stringify({ status, headers: {} }),
  };
}

function isDatabaseError(error: unknown): error is DatabaseError {
  return (
    error instanceof Error &&
    error.name === 'PostgresError' &&
    'code' in error &&
    typeof error.code === 'string'
  );
}

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

// By class or code, the longer first; 400 for every other: https://docs.postgrest.org/en/stable/references/errors.html#status-codes
const STATUS: [prefix: string, status: number][] = [
  ['21000', 500],
  ['23503', 409],
  ['23505', 409],
  ['25006', 405],
  ['42P01', 404],
  ['42P17', 500],
  ['53400', 500],
  ['57P01', 503],
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

/** Its own answers that depend on the role (42501) or are reworded (42703, 42883), and PostgREST's codes that raise a status. */
const LEFT_TO_LITE = /^(42501|42703|42883|PT|PGRST)/;

/**
 * Turns an error of the database into PostgREST's answer: the status of its table and the error's own code, message,
 * detail and hint. @supabase/lite knows few of them and answers the rest with a bare 500 `SUP`. Undefined for one that
 * needs no help.
 */
export function toPostgrestError(error: unknown): AnsweredError | undefined {
  if (!isDatabaseError(error) || LEFT_TO_LITE.test(error.code)) return undefined;
  const { code, message, detail, hint } = error;
  return {
    code: 'PGRST',
    message: JSON.stringify({ code, message, details: detail ?? null, hint: hint ?? null }),
    detail: JSON.stringify({ status: statusOf(error), headers: {} }),
  };
}

function statusOf({ code, message }: DatabaseError): number {
  // What safeupdate says is the client's fault; any other row too many is the function's.
  if (code === '21000' && message.endsWith('requires a WHERE clause')) return 400;
  if (code === '22023' && /^role .* does not exist$/s.test(message)) return 401;
  return STATUS.find(([prefix]) => code.startsWith(prefix))?.[1] ?? 400;
}

function isDatabaseError(error: unknown): error is DatabaseError {
  return (
    error instanceof Error &&
    error.name === 'PostgresError' &&
    'code' in error &&
    typeof error.code === 'string'
  );
}

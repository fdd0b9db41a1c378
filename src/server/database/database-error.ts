import { type ErrorCode, SupapushError } from '../../shared/errors.ts';

/** What supabase-js says of a call that failed, and the status of the answer; 0 where there was none. */
export interface FailedCall {
  error: { code?: string; details?: string | null };
  status: number;
}

// By SQLSTATE (https://www.postgresql.org/docs/17/errcodes-appendix.html) and PostgREST's own codes; the first that fits.
const CODES: [code: RegExp, ErrorCode][] = [
  // Values that no column or check takes, and refusals that this function does not know by their code.
  [/^(22|23|PT4)/, 'values_refused'],
  // Projects may expose other schemas alone (Dashboard → Data API).
  [/^PGRST106$/, 'schema_not_exposed'],
  // Serialization, deadlock, locks, timeouts, shutdown, connections, resources: the same may work in a moment.
  [/^(40001|40P01|55P03|57014|57P0|08|53|PGRST00)/, 'queue_unreachable'],
  // Everything else has a code, and is our own fault: a missing function or grant, a bug.
  [/./, 'internal'],
];

/**
 * The error for the client of a function when a database call fails: one of `refusals` where the database raised that by
 * `push.refuse()`, otherwise the code that the table above gives. The message says nothing of the database; `cause` names the
 * call and its code, for the log.
 */
export function databaseError(
  call: string,
  { error, status }: FailedCall,
  refusals: readonly ErrorCode[] = [],
): SupapushError {
  const sqlstate = error.code ?? '';
  const refusal = sqlstate.startsWith('PT') && refusals.find((code) => code === error.details);
  // Without a code the database did not answer, or a gateway did, whose 4xx means that our own setup is wrong.
  const unanswered = status >= 400 && status < 500 ? 'internal' : 'queue_unreachable';
  const code = refusal || (CODES.find(([pattern]) => pattern.test(sqlstate))?.[1] ?? unanswered);
  return new SupapushError(code, undefined, { cause: `${call} ${sqlstate || `status ${status}`}` });
}

/**
 * The error for a dispatcher or a fetcher of quotes, whose calls are made again whatever the database says: `queue_unreachable`
 * with its own words, or `schema_not_exposed`, which an operator has to cure.
 */
export function queueError(call: string, error: { code?: string; message: string }): SupapushError {
  if (error.code === 'PGRST106') return new SupapushError('schema_not_exposed');
  return new SupapushError(
    'queue_unreachable',
    `${call} failed: ${error.code ?? ''} ${error.message}`.trim(),
  );
}

import type postgres from 'postgres';
import { SupapushError } from '../../shared/errors.ts';

/** A connection to the database, or a pool of them, that survives what becomes of connections. */
export interface SqlDatabase {
  /**
   * Runs one statement, and resolves to its first row. Throws `queue_unreachable` with the database's own words where it fails or is
   * not answered in time; `cause` is what the driver threw.
   *
   * @param call the function that is called, for the message
   */
  first<Row extends object>(
    call: string,
    statement: (sql: postgres.Sql) => postgres.PendingQuery<Row[]>,
  ): Promise<Row | undefined>;
  /** Ends all connections; what is under way fails. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 15_000;

/**
 * A database over the driver `postgres`. A statement that is not answered within 15 s fails, and its connections are given up for
 * new ones: those of a server that is gone without a word would keep every later statement waiting.
 */
export function createSqlDatabase(
  connect: () => postgres.Sql,
  timeoutMs: number = TIMEOUT_MS,
): SqlDatabase & { readonly sql: postgres.Sql } {
  let sql = connect();
  const giveUp = (given: postgres.Sql) => {
    if (given !== sql) return;
    sql = connect();
    given.end({ timeout: 0 }).catch(() => {});
  };
  return {
    get sql() {
      return sql;
    },
    async first(call, statement) {
      const given = sql;
      try {
        const [row] = await withinTime(statement(given), timeoutMs, () => giveUp(given));
        return row;
      } catch (error) {
        throw callFailed(call, error);
      }
    },
    async close() {
      await sql.end({ timeout: 0 });
    },
  };
}

/** What a failed statement throws: `queue_unreachable`, in the database's words. */
function callFailed(call: string, cause: unknown): SupapushError {
  const { code, message } = { ...(cause as { code?: string }), message: wordsOf(cause) };
  return new SupapushError(
    'queue_unreachable',
    `${call} failed: ${code ?? ''} ${message}`.replace('  ', ' '),
    {
      cause,
    },
  );
}

function wordsOf(error: unknown): string {
  // A host with several addresses, none of which answers, makes an error without a text of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(wordsOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

async function withinTime<T>(work: Promise<T>, milliseconds: number, onSilence: () => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      onSilence();
      reject(new Error(`no answer within ${milliseconds / 1000} s`));
    }, milliseconds);
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** An array as Postgres reads it from text: the driver would have to ask a connection for its types first. */
export function arrayText(values: readonly (string | number)[]): string {
  return `{${values.map((value) => JSON.stringify(String(value))).join(',')}}`;
}

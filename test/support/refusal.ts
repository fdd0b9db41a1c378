import postgres from 'postgres';

/** What Postgres said when it refused: an SQLSTATE, and for errors of ours a machine code (detail) and advice (hint). */
export interface Refusal {
  sqlstate: string;
  message: string;
  code: string | undefined;
  hint: string | undefined;
}

/** The error a statement ends with; throws when it succeeds, or when it was not Postgres that refused. */
export async function refusalOf(statement: PromiseLike<unknown>): Promise<Refusal> {
  try {
    await statement;
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    return { sqlstate: error.code, message: error.message, code: error.detail, hint: error.hint };
  }
  throw new Error('The statement was expected to be refused, and went through.');
}

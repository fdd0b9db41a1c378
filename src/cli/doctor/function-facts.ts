import type postgres from 'postgres';

/** What the look at the Edge Functions is given. */
export interface FunctionFacts {
  projectUrl: string;
  /** The release of the package. */
  version: string;
  /** The key that the database hands to browsers; undefined where the database could not be asked. */
  vapidKey: string | null | undefined;
  /** Undefined where the database cannot be reached. */
  sql: postgres.Sql | undefined;
  /** Where the secrets stand, for cures. */
  file: string;
  /** The command that connects the database anew, for cures. */
  connect: string;
  /** A key of the Data API that pages may have; undefined: it is not asked. */
  publishableKey: string | undefined;
  /** Milliseconds that an answer may take, from here as from the database. */
  patience: number;
}

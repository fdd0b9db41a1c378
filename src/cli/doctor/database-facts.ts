import type postgres from 'postgres';
import type { Settings } from '../open-database.ts';

/** What the look at a database is given. */
export interface DatabaseFacts {
  sql: postgres.Sql;
  /** The release of the package. */
  version: string;
  setting: Settings;
  /** Where the secrets stand, for cures. */
  file: string;
  /** The project that is meant, where it is known. */
  projectUrl: string | undefined;
  /** Milliseconds since the epoch, of this machine. */
  now: () => number;
}

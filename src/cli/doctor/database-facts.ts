import type postgres from 'postgres';
import type { Settings } from '../open-database.ts';
import type { ProjectMeant } from './which-project.ts';

/** What the look at a database is given. */
export interface DatabaseFacts extends ProjectMeant {
  sql: postgres.Sql;
  /** The release of the package. */
  version: string;
  setting: Settings;
  /** Where the secrets stand, for cures. */
  file: string;
  /** Milliseconds since the epoch, of this machine. */
  now: () => number;
}

import type postgres from 'postgres';
import { callOf } from '../command.ts';

/** Which project doctor is to look at, as far as a person or `supabase link` has said. */
export interface ProjectMeant {
  projectUrl: string | undefined;
  /** Whether it is only that of `supabase link`: another database may be looked at, or it may have a domain of its own. */
  isLinked?: boolean | undefined;
}

/** The project that a database calls, and the VAPID key that it hands to browsers. */
export async function readKnown(sql: postgres.Sql): Promise<{ url: string | null; key: string | null }> {
  const [known] = await sql<{ url: string | null; key: string | null }[]>`
    select (select b.url from push.read_bell() as b) as url, s.vapid_public_key as key from push.settings as s`;
  return known ?? { url: null, key: null };
}

/** Whether the project that a database calls is certainly not the one that is meant. */
export function isAnother(databases: string | null, { projectUrl, isLinked }: ProjectMeant): boolean {
  if (projectUrl === undefined || databases === null || databases === projectUrl) return false;
  return !isLinked || (isHosted(databases) && isHosted(projectUrl));
}

/** The project whose functions are to be asked; undefined where it is not known. */
export function projectToAsk(databases: string | null, meant: ProjectMeant): string | undefined {
  const { projectUrl, isLinked } = meant;
  return isLinked && !isAnother(databases, meant)
    ? (databases ?? projectUrl)
    : (projectUrl ?? databases ?? undefined);
}

/** The command that connects a database to the project that it calls: to another one, all sending would be held. */
export async function connectAgain(sql: postgres.Sql | undefined, meant: ProjectMeant): Promise<string> {
  const rows =
    sql === undefined ? [] : await sql<{ url: string }[]>`select connected_url as url from push.project`;
  const url = rows[0]?.url;
  return url === undefined || url === meant.projectUrl
    ? callOf('connect')
    : callOf('connect', `--project-url ${url}`);
}

/** Without a domain of its own. */
function isHosted(url: string): boolean {
  return /^https:\/\/[a-z]{20}\.supabase\.co$/.test(url);
}

import { z } from 'zod';
import { runSupabase, withoutTls } from './supabase-cli.ts';
import { withTemporaryFolder } from './temporary-folder.ts';
import { type WithMigrated, withMigratedDatabase } from './throwaway-database.ts';

const report = z.object({
  results: z.array(z.object({ name: z.string(), level: z.string(), detail: z.string() })),
});

// Counts scans since the database was made: on a new one every index is unused.
const MEANINGLESS_WHEN_NEW = 'unused_index';

/**
 * Supabase's security and performance advisors (`supabase db advisors`) about a database with the project's
 * migrations. Returns their findings of every level.
 */
export function checkAdvisors(
  project: string,
  withMigrated: WithMigrated = withMigratedDatabase,
): Promise<string[]> {
  return withMigrated(project, async (server) => {
    return await withTemporaryFolder(async (folder) => {
      const flags = ['--type', 'all', '--level', 'info', '--fail-on', 'none', '--output-format', 'json'];
      const url = withoutTls(server.url());
      const result = await runSupabase(['db', 'advisors', '--db-url', url, ...flags], {
        project: folder,
        home: folder,
      });
      if (result.exitCode !== 0) return [`supabase db advisors failed:\n${result.output.trim()}`];
      return report
        .parse(JSON.parse(result.stdout))
        .results.filter(({ name }) => name !== MEANINGLESS_WHEN_NEW)
        .map(({ level, name, detail }) => `${level} ${name}: ${detail}`);
    });
  });
}

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyMigrations } from '../../local/postgres/migrations.ts';
import type { PostgresServer } from '../../local/postgres/postgres-server.ts';
import { prepareSupabase } from '../../local/postgres/supabase-roles.ts';
import { withTemporaryFolder } from '../temporary-folder.ts';
import { type WithMigrated, withMigratedDatabase, withThrowawayDatabase } from '../throwaway-database.ts';
import { type Catalog, compareCatalogs, readCatalog, writeSnapshot } from './catalog.ts';
import { readSchema, writeSchemaMigration } from './schema-files.ts';

/** A page of everything that the migrations make. Relative to the project. */
export const SNAPSHOT_FILE = 'supabase/schema.snapshot.txt';

/**
 * Whether the declared schema and the migrations make equal databases, and the snapshot is of them. The one says what
 * there is, the others how a project gets there; neither may say more than the other.
 */
export async function checkSchema(
  project: string,
  withMigrated: WithMigrated = withMigratedDatabase,
): Promise<string[]> {
  const committed = await readFile(join(project, SNAPSHOT_FILE), 'utf8').catch(() => '');
  return await withMigrated(project, async (server) => {
    const migrated = await readCatalog(server.url({ role: 'supabase_admin' }));
    const declared = await catalogOfSchema(server, project);
    const problems = compareCatalogs(['the schema', declared], ['the migrations', migrated]);
    if (problems.length > 0) return [...problems, 'Run: npm run schema'];
    return committed === writeSnapshot(declared)
      ? []
      : [`${SNAPSHOT_FILE} is out of date. Run: npm run schema`];
  });
}

/** The snapshot of the declared schema. Throws `LocalStackError` `migration_failed` where it cannot be applied. */
export function takeSnapshot(project: string): Promise<string> {
  return withThrowawayDatabase(async (server) => writeSnapshot(await catalogOfSchema(server, project)));
}

/** Applied as a migration is: as the role `postgres`, which is no superuser. */
function catalogOfSchema(server: PostgresServer, project: string): Promise<Catalog> {
  return withTemporaryFolder(async (folder) => {
    await writeFile(join(folder, '1_schema.sql'), writeSchemaMigration(await readSchema(project)));
    const database = 'declared';
    await prepareSupabase(server, database);
    await applyMigrations({ url: server.url({ database }), directory: folder });
    return await readCatalog(server.url({ role: 'supabase_admin', database }));
  });
}

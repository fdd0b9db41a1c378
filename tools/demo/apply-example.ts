import { fileURLToPath } from 'node:url';
import { applyMigrations } from '../local/postgres/migrations.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

/** Applies the migration of `examples/<name>/` as `postgres`, after those of the project. Errors as of `applyMigrations`. */
export async function applyExample(databaseUrl: string, name: string): Promise<void> {
  await applyMigrations({ url: databaseUrl, directory: `${EXAMPLES}${name}` });
}

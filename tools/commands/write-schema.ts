import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/cli/run-command.ts';
import { readSchema, SCHEMA_MIGRATION, writeSchemaMigration } from '../quality/schema/schema-files.ts';
import { SNAPSHOT_FILE, takeSnapshot } from '../quality/schema/schema-gate.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

const USAGE = `Usage: npm run schema

Writes ${SCHEMA_MIGRATION} from supabase/schemas,
and ${SNAPSHOT_FILE}, a page of everything that it makes.`;

await runCommand(USAGE, async () => {
  if (process.argv.length > 2) return USAGE;
  await writeFile(join(PROJECT, SCHEMA_MIGRATION), writeSchemaMigration(await readSchema(PROJECT)));
  await writeFile(join(PROJECT, SNAPSHOT_FILE), await takeSnapshot(PROJECT));
  return `Wrote ${SCHEMA_MIGRATION} and ${SNAPSHOT_FILE}.`;
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/cli/run-command.ts';
import { generateTypes, TYPES_FILE } from '../quality/database-types.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

const USAGE = `Usage: npm run types

Writes ${TYPES_FILE} from the migrations: applies them to a throwaway database and introspects it.`;

await runCommand(USAGE, async () => {
  if (process.argv.length > 2) return USAGE;
  await writeFile(join(PROJECT, TYPES_FILE), await generateTypes(PROJECT));
  return `Wrote ${TYPES_FILE}.`;
});

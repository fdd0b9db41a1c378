import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/cli/run-command.ts';
import { REFERENCE, writeReference } from '../reference/reference.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

const USAGE = `Usage: npm run reference

Writes ${REFERENCE}: functions, tables and settings from the comments of the schema, errors, and the Edge Functions as OpenAPI.`;

await runCommand(USAGE, async () => {
  if (process.argv.length > 2) return USAGE;
  const files = await writeReference(PROJECT);
  await mkdir(join(PROJECT, REFERENCE), { recursive: true });
  for (const [name, text] of files) await writeFile(join(PROJECT, REFERENCE, name), text);
  return `Wrote ${[...files.keys()].join(', ')} in ${REFERENCE}.`;
});

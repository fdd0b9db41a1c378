import { checkAdvisors } from './advisors.ts';
import { checkWithBiome } from './biome.ts';
import { checkGeneratedTypes } from './database-types.ts';
import { checkLinks } from './dead-links.ts';
import { checkFunctionsWithDeno } from './deno-check.ts';
import { checkEntrypointLength, checkSourceLength } from './file-length.ts';
import { checkFunctionLength } from './function-length.ts';
import { checkFunctionVersions } from './function-versions.ts';
import { checkSchema } from './schema/schema-gate.ts';
import { checkSchemaOrder } from './schema/schema-order.ts';
import { runStep, SILENT, type StepListener, type StepResult } from './steps.ts';
import { shareMigratedDatabase, type WithMigrated } from './throwaway-database.ts';
import { checkTypes } from './type-check.ts';

/** Looks at one quality of a project; returns what is wrong, nothing when all is well. */
export type Gate = (project: string, withMigrated: WithMigrated) => Promise<string[]>;
export type NamedGate = [name: string, gate: Gate];

// The long ones first: two run at a time.
const GATES: NamedGate[] = [
  ['generated types are up to date', checkGeneratedTypes],
  ['supabase db advisors has no findings', checkAdvisors],
  ['the schema and the migrations make the same database', checkSchema],
  ['deno check of the functions', checkFunctionsWithDeno],
  ['tsc', checkTypes],
  ['biome ci', (project) => checkWithBiome(project)],
  ['versions in deno.json are those of package-lock.json', checkFunctionVersions],
  ['the schema uses nothing before it is defined', checkSchemaOrder],
  ['entrypoints are short', checkEntrypointLength],
  ['source files are short', checkSourceLength],
  ['functions of the schema are short', checkFunctionLength],
  ['links of the pages lead somewhere', checkLinks],
];

const AT_ONCE = 2;

/**
 * Runs every gate, whatever the others say; those that look at the database share one.
 *
 * @param more gates of folders that this one does not import
 * @returns results in the order of the list above
 */
export async function checkProject(
  project: string,
  listener: StepListener = SILENT,
  more: NamedGate[] = [],
): Promise<StepResult[]> {
  const results: StepResult[] = [];
  const waiting = [...GATES, ...more].entries();
  await shareMigratedDatabase(project, async (withMigrated) => {
    const work = async (): Promise<void> => {
      for (const [index, [name, gate]] of waiting) {
        results[index] = await runStep(name, () => gate(project, withMigrated), listener);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  });
  return results;
}

import { checkAdvisors } from './advisors.ts';
import { checkWithBiome } from './biome.ts';
import { checkGeneratedTypes } from './database-types.ts';
import { checkFunctionsWithDeno } from './deno-check.ts';
import { checkEntrypointLength, checkSourceLength } from './file-length.ts';
import { checkFunctionVersions } from './function-versions.ts';
import { checkSchema } from './schema/schema-gate.ts';
import { checkSchemaOrder } from './schema/schema-order.ts';
import { runStep, SILENT, type StepListener, type StepResult } from './steps.ts';
import { checkTypes } from './type-check.ts';

/** Looks at one quality of a project; returns what is wrong, nothing when all is well. */
type Gate = (project: string) => Promise<string[]>;

// The long ones first: two run at a time.
const GATES: [name: string, gate: Gate][] = [
  ['generated types are up to date', checkGeneratedTypes],
  ['supabase db advisors has no findings', checkAdvisors],
  ['the schema and the migrations make the same database', checkSchema],
  ['deno check of the functions', checkFunctionsWithDeno],
  ['tsc', checkTypes],
  ['biome ci', checkWithBiome],
  ['versions in deno.json are those of package-lock.json', checkFunctionVersions],
  ['the schema uses nothing before it is defined', checkSchemaOrder],
  ['entrypoints are short', checkEntrypointLength],
  ['source files are short', checkSourceLength],
];

const AT_ONCE = 2;

/** Runs every gate, whatever the others say; results in the order of the list above. */
export async function checkProject(project: string, listener: StepListener = SILENT): Promise<StepResult[]> {
  const results: StepResult[] = [];
  const waiting = [...GATES.entries()];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [index, [name, gate]] = next;
      results[index] = await runStep(name, () => gate(project), listener);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { denoBinary } from '../local/functions/deno-binary.ts';
import { runProgram } from '../quality/run-program.ts';
import { denoEnvironment, resolutionFlags } from './deno-runtime.ts';
import type { UploadedFunction } from './uploaded-function.ts';

const resolution = z.object({ error: z.string().optional() });
const graph = z.object({
  modules: z.array(
    z.object({
      specifier: z.string(),
      error: z.string().optional(),
      dependencies: z
        .array(z.object({ specifier: z.string(), code: resolution.optional(), type: resolution.optional() }))
        .optional(),
    }),
  ),
});

/**
 * What the uploaded function imports without having it: files that were not uploaded, packages that its import map
 * does not name. Sees imports that the start would not run into, such as `await import('./late.ts')`.
 */
export async function findMissingModules(upload: UploadedFunction, folder: string): Promise<string[]> {
  const args = ['info', '--json', ...resolutionFlags(upload), upload.entrypoint];
  const result = await runProgram(denoBinary(), args, { cwd: folder, environment: denoEnvironment() });
  if (result.exitCode !== 0) return [`deno info failed:\n${result.output.trim()}`];
  const { modules } = graph.parse(JSON.parse(result.stdout));
  const name = (specifier: string): string =>
    specifier.startsWith('file:') ? relative(folder, fileURLToPath(specifier)) : specifier;
  return modules.flatMap((module) => {
    const importer = name(module.specifier);
    const unresolved = (module.dependencies ?? [])
      .filter(({ code, type }) => code?.error ?? type?.error)
      .map(({ specifier }) => `${importer} imports "${specifier}", which its import map does not name`);
    return [...(module.error ? [`${importer} is imported, but was not uploaded`] : []), ...unresolved];
  });
}

import { relative } from 'node:path';
import { denoBinary } from '../local/functions/deno-binary.ts';
import { findEdgeFunctions } from '../local/functions/edge-function.ts';
import { readLocalConfig } from '../local/local-config.ts';
import { basicEnvironment, runProgram } from './run-program.ts';

/**
 * `deno check` of every Edge Function with the packages of `deno.lock`, which must not need to change, and none of
 * our node_modules. Returns what it says.
 */
export async function checkFunctionsWithDeno(project: string): Promise<string[]> {
  const functions = await findEdgeFunctions(await readLocalConfig(project));
  if (functions.length === 0) return ['there are no Edge Functions'];
  const problems: string[] = [];
  for (const { entrypoint, denoConfig } of functions) {
    const args = [
      'check',
      '--frozen',
      '--lock=deno.lock',
      '--node-modules-dir=none',
      ...(denoConfig ? ['--config', denoConfig] : ['--no-config']),
      entrypoint,
    ];
    const result = await runProgram(denoBinary(), args, {
      cwd: project,
      environment: {
        ...basicEnvironment(),
        DENO_NO_UPDATE_CHECK: '1',
        DENO_NO_PACKAGE_JSON: '1',
        NO_COLOR: '1',
      },
    });
    if (result.exitCode !== 0) problems.push(`${relative(project, entrypoint)}\n${result.output.trim()}`);
  }
  return problems;
}

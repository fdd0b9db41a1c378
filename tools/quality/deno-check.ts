import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { denoBinary } from '../local/functions/deno-binary.ts';
import { type EdgeFunction, findEdgeFunctions } from '../local/functions/edge-function.ts';
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
  for (const alike of await byConfiguration(functions)) {
    const [{ denoConfig } = {}] = alike;
    const entrypoints = alike.map(({ entrypoint }) => entrypoint);
    const args = [
      'check',
      '--frozen',
      '--lock=deno.lock',
      '--node-modules-dir=none',
      ...(denoConfig ? ['--config', denoConfig] : ['--no-config']),
      ...entrypoints,
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
    if (result.exitCode !== 0) {
      const names = entrypoints.map((entrypoint) => relative(project, entrypoint));
      problems.push(`${names.join(', ')}\n${result.output.trim()}`);
    }
  }
  return problems;
}

/**
 * Functions whose `deno.json` says the same are checked by one run: most of it is for types that they share. Packages are named
 * without paths there (a gate of its own), so it does not matter whose file is given.
 */
async function byConfiguration(functions: EdgeFunction[]): Promise<EdgeFunction[][]> {
  const groups = new Map<string, EdgeFunction[]>();
  for (const one of functions) {
    const text = one.denoConfig ? await readFile(one.denoConfig, 'utf8') : '';
    groups.set(text, [...(groups.get(text) ?? []), one]);
  }
  return [...groups.values()];
}

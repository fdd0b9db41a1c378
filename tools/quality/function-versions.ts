import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { findEdgeFunctions } from '../local/functions/edge-function.ts';
import { readLocalConfig } from '../local/local-config.ts';

const denoConfig = z.object({ imports: z.record(z.string(), z.string()).default({}) });
const packageLock = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional() })),
});

const NPM_SPECIFIER = /^npm:(?<name>(?:@[^/@]+\/)?[^/@]+)(?:@(?<version>[^/]+))?(?:\/.*)?$/;
const EXACT = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/;

/**
 * Whether a function runs the very packages that the tests run: each npm version in its `deno.json` has to be exact
 * and that of `package-lock.json`. Returns what is not.
 */
export async function checkFunctionVersions(project: string): Promise<string[]> {
  const { packages } = packageLock.parse(
    JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8')),
  );
  const functions = await findEdgeFunctions(await readLocalConfig(project));
  const problems: string[] = [];
  for (const { name: functionName, denoConfig: file } of functions) {
    if (!file) {
      problems.push(`${functionName} has no deno.json`);
      continue;
    }
    const { imports } = denoConfig.parse(JSON.parse(await readFile(file, 'utf8')));
    for (const [alias, specifier] of Object.entries(imports)) {
      const problem = judge(specifier, (name) => packages[`node_modules/${name}`]?.version);
      if (problem) problems.push(`${relative(project, file)}: "${alias}": "${specifier}" ${problem}`);
    }
  }
  return problems;
}

function judge(specifier: string, locked: (name: string) => string | undefined): string | undefined {
  const { name, version } = NPM_SPECIFIER.exec(specifier)?.groups ?? {};
  // The Supabase CLI uploads the whole directory an alias points to; other registries have no entry in our lock file.
  if (!name) return 'is no npm package';
  if (!version || !EXACT.test(version)) return 'names no exact version';
  const wanted = locked(name);
  if (wanted === undefined) return 'is not in package-lock.json';
  return wanted === version ? undefined : `is ${wanted} in package-lock.json`;
}

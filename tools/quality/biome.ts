import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { basicEnvironment, ProgramError, type ProgramResult, runProgram } from './run-program.ts';

/** `biome ci`: formatting, import order, lint rules, and which folder imports which. Returns what it says of a path. */
export async function checkWithBiome(project: string, path = '.'): Promise<string[]> {
  const result = await runBiome(project, [
    'ci',
    '--error-on-warnings',
    '--colors=off',
    '--max-diagnostics=200',
    path,
  ]);
  return result.exitCode === 0 ? [] : [result.output.trim()];
}

/** Formats a file in place with the project's settings. Throws `ProgramError` with what Biome says when it cannot. */
export async function formatFile(project: string, file: string): Promise<void> {
  const result = await runBiome(project, ['format', '--write', '--colors=off', file]);
  if (result.exitCode !== 0) throw new ProgramError('program_failed', result.output.trim());
}

function runBiome(project: string, args: string[]): Promise<ProgramResult> {
  const manifest = createRequire(import.meta.url).resolve('@biomejs/biome/package.json');
  const script = join(dirname(manifest), 'bin', 'biome');
  return runProgram(process.execPath, [script, ...args], { cwd: project, environment: basicEnvironment() });
}

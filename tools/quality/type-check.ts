import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { basicEnvironment, runProgram } from './run-program.ts';

/** `tsc --noEmit` over the project. Returns what it says. */
export async function checkTypes(project: string): Promise<string[]> {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const args = [tsc, '--noEmit', '--pretty', 'false', '--project', project];
  const result = await runProgram(process.execPath, args, { cwd: project, environment: basicEnvironment() });
  return result.exitCode === 0 ? [] : [result.output.trim()];
}

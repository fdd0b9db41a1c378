import { fileURLToPath } from 'node:url';
import { denoBinary } from '../../../tools/local/functions/deno-binary.ts';
import { basicEnvironment, runProgram } from '../../../tools/quality/run-program.ts';

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
const SIDES = fileURLToPath(new URL('../sides/', import.meta.url));

export type Runtime = 'deno' | 'node';

/**
 * Runs `sides/<script>.ts` to its end in a process of its own, so that no side warms or burdens another, and returns
 * what it printed as JSON.
 *
 * @param certificate PEM file of one more authority that Deno trusts
 */
export async function runSide<Result>(
  runtime: Runtime,
  script: string,
  input: object,
  certificate?: string,
): Promise<Result> {
  const file = `${SIDES}${script}.ts`;
  const parameters = [file, JSON.stringify(input)];
  const [command, args] =
    runtime === 'node'
      ? [process.execPath, parameters]
      : [
          denoBinary(),
          [
            'run',
            '--quiet',
            '--no-prompt',
            '--no-lock',
            '--node-modules-dir=manual',
            '--allow-all',
            ...(certificate === undefined ? [] : ['--cert', certificate]),
            ...parameters,
          ],
        ];
  const environment = {
    ...basicEnvironment(),
    DENO_NO_UPDATE_CHECK: '1',
    NO_COLOR: '1',
    ...(certificate === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificate }),
  };
  const result = await runProgram(command, args, { cwd: PROJECT, environment, timeoutMs: 120_000 });
  if (result.exitCode !== 0) throw new Error(`${script} ${JSON.stringify(input)} failed:\n${result.output}`);
  return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as Result;
}

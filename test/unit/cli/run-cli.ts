import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COMMANDS = fileURLToPath(new URL('../../../src/cli/', import.meta.url));

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs one of the commands as a process, in `cwd` and with no environment but the one given. */
export function runCli(
  command: string,
  args: string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [join(COMMANDS, `${command}.ts`), ...args],
      { cwd, env: { PATH: process.env.PATH, ...env } },
      (_, stdout, stderr) =>
        child.exitCode === null
          ? reject(new Error(`${command} was ended by ${child.signalCode}`))
          : resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SUPAPUSH = fileURLToPath(new URL('../../../src/cli/supapush.ts', import.meta.url));

/** For Node alone: where it finds programs, and what it compiled before. */
const FOR_NODE = { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE };

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs one of the commands as a process, in `cwd` and with nothing of our environment that it looks at but the one given. */
export function runCli(
  command: string,
  args: string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [SUPAPUSH, command, ...args],
      { cwd, env: { ...FOR_NODE, ...env } },
      (_, stdout, stderr) =>
        child.exitCode === null
          ? reject(new Error(`${command} was ended by ${child.signalCode}`))
          : resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

import type { Lifetime } from '../../../tools/local/lifetime.ts';
import {
  basicEnvironment,
  type ProgramResult,
  type RunningProgram,
  startProgram,
} from '../../../tools/quality/run-program.ts';

/** Half an hour: the longest bench on a busy machine, and an installation. */
const TIMEOUT_MS = 1_800_000;

/** Thrown by whatever runs when the user ends the comparison. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** The programs of one comparison, one after the other; all of them end with it. */
export interface Programs {
  /** Rejects where the exit code is none of `allowed` (0 unless given), or after `interrupt()`. */
  run(command: string, args: string[], cwd: string, allowed?: number[]): Promise<ProgramResult>;
  /** As `run`, but also after `interrupt()`, and whatever the exit code is. */
  clean(command: string, args: string[], cwd: string): Promise<void>;
  /** From now on, each is also ended when this process is killed. */
  endWith(lifetime: Lifetime): void;
  /** Ends what runs in good order, so that a bench takes along what it started; nothing runs after it. */
  interrupt(): void;
}

export function createPrograms(): Programs {
  let running: RunningProgram | undefined;
  let lifetime: Lifetime | undefined;
  let interrupted = false;

  const start = async (command: string, args: string[], cwd: string) => {
    const program = startProgram(command, args, {
      cwd,
      environment: basicEnvironment(),
      timeoutMs: TIMEOUT_MS,
    });
    running = program;
    if (program.pid !== undefined) lifetime?.started(program.pid);
    try {
      return await program.ended;
    } finally {
      running = undefined;
      if (program.pid !== undefined) lifetime?.ended(program.pid);
    }
  };
  return {
    async run(command, args, cwd, allowed = [0]) {
      if (interrupted) throw new Interrupted();
      const result = await start(command, args, cwd);
      if (interrupted) throw new Interrupted();
      const { exitCode, output } = result;
      if (exitCode === undefined || !allowed.includes(exitCode)) {
        throw new Error(`${command} ${args.join(' ')} failed in ${cwd}:\n${output.slice(-4000)}`);
      }
      return result;
    },
    clean: async (command, args, cwd) => void (await start(command, args, cwd)),
    endWith: (given) => {
      lifetime = given;
    },
    interrupt() {
      interrupted = true;
      running?.end('SIGTERM');
    },
  };
}

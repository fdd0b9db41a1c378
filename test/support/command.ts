import type { Command, Outcome } from '../../src/cli/command.ts';

/** Runs one of the commands in this process: what it prints, and its exit code where it did not fail. */
export async function called({ run }: Command, ...args: string[]): Promise<Outcome> {
  const outcome = await run(args);
  return typeof outcome === 'string' ? { text: outcome, exitCode: 0 } : outcome;
}

import { SupapushError } from '../shared/errors.ts';
import type { Outcome } from './command.ts';

/**
 * Runs a command that prints one text: exit code 0 or what it says, or 1 with the reason on standard error, or 2 with the usage
 * when it was called wrongly.
 */
export async function runCommand(usage: string, command: () => Promise<string | Outcome>): Promise<void> {
  try {
    const outcome = await command();
    const { text, exitCode } = typeof outcome === 'string' ? { text: outcome, exitCode: 0 } : outcome;
    process.stdout.write(`${text}\n`);
    if (exitCode !== 0) process.exitCode = exitCode;
  } catch (error) {
    const message = reasonOf(error);
    const wrongCall =
      (error instanceof SupapushError && error.code === 'usage') ||
      (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));
    process.stderr.write(wrongCall ? `${message}\n\n${usage}\n` : `${message}\n`);
    process.exitCode = wrongCall ? 2 : 1;
  }
}

/** What went wrong, in words. */
export function reasonOf(error: unknown): string {
  // A host with several addresses, none of which answers, makes an error without a text of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

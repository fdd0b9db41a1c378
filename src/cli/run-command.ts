import { SupapushError } from '../shared/errors.ts';

/**
 * Runs a command that prints one text: exit code 0, or 1 with the reason on standard error, or 2 with the usage when
 * it was called wrongly.
 */
export async function runCommand(usage: string, command: () => Promise<string>): Promise<void> {
  try {
    process.stdout.write(`${await command()}\n`);
  } catch (error) {
    const message = describe(error);
    const wrongCall =
      (error instanceof SupapushError && error.code === 'usage') ||
      (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));
    process.stderr.write(wrongCall ? `${message}\n\n${usage}\n` : `${message}\n`);
    process.exitCode = wrongCall ? 2 : 1;
  }
}

function describe(error: unknown): string {
  // A host with several addresses, none of which answers, makes an error without a text of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(describe).join('; ');
  return error instanceof Error ? error.message : String(error);
}

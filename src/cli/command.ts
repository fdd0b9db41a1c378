/** What a command prints, and its exit code. */
export interface Outcome {
  text: string;
  /** 0: all is well, 1: what was asked for is not so. */
  exitCode: 0 | 1;
}

/** One of the commands of `supapush`. */
export interface Command {
  usage: string;
  /**
   * Gets what follows the command's name; resolves to what is printed, with exit code 0 unless it says another. Throws `usage`
   * where it was called wrongly.
   */
  run(args: string[]): Promise<string | Outcome>;
}

/**
 * How a person calls a command: by npm in a clone, where these files are TypeScript, and by npx where the package is installed.
 *
 * @param args what follows the command, as it is typed
 */
export function callOf(command: string, args = ''): string {
  const inClone = import.meta.url.endsWith('.ts');
  if (args === '') return inClone ? `npm run ${command}` : `npx supapush ${command}`;
  return inClone ? `npm run ${command} -- ${args}` : `npx supapush ${command} ${args}`;
}

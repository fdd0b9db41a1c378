import { styleText } from 'node:util';
import type { StepListener, StepResult } from './steps.ts';

const CLEAR_LINE = '\r\x1b[2K';

/**
 * Tells people on standard output how steps go: one line for each that ended, what is wrong below those that failed.
 * A terminal also gets colours and a line about what runs now. What programs say is shown with `verbose`.
 */
export function printSteps(options: { verbose: boolean }): StepListener {
  const isTerminal = process.stdout.isTTY === true;
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    styleText(format, text, { stream: process.stdout });
  const running = new Set<string>();
  const print = (lines: string[]): void => {
    const current = isTerminal && running.size > 0 ? style('dim', `… ${[...running].join(', ')}`) : '';
    process.stdout.write(
      `${isTerminal ? CLEAR_LINE : ''}${lines.map((line) => `${line}\n`).join('')}${current}`,
    );
  };
  return {
    begins: (name) => {
      running.add(name);
      if (isTerminal) print([]);
    },
    says: (line) => {
      if (options.verbose) print([style('dim', `    ${line}`)]);
    },
    ended: ({ name, ok, problems, milliseconds }) => {
      running.delete(name);
      const mark = ok ? style('green', '✓') : style('red', '✗');
      const time = style('dim', `(${(milliseconds / 1000).toFixed(1)} s)`);
      const details = problems.map((problem) => `    ${problem.replaceAll('\n', '\n    ')}`);
      print([`${mark} ${name} ${time}`, ...details]);
    },
  };
}

/** The closing line for people. */
export function summarize(results: StepResult[]): string {
  const failed = results.filter(({ ok }) => !ok).length;
  return `${results.length - failed} passed, ${failed} failed`;
}

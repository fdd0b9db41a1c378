import { styleText } from 'node:util';

/** Tells a demo on the terminal: chapters, steps with the time since the start, and what was checked. */
export interface Narrator {
  chapter(title: string): void;
  say(text: string): void;
  /** A fact that the demo verified. Throws when it is not so, which ends the demo with exit code 1. */
  check(holds: boolean, text: string): void;
  elapsedSeconds(): number;
}

/** Writes to standard output; colour only on a terminal that wants it. */
export function createNarrator(): Narrator {
  const started = performance.now();
  const coloured = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const paint = (format: Parameters<typeof styleText>[0], text: string) =>
    coloured ? styleText(format, text, { validateStream: false }) : text;
  const line = (text: string) => process.stdout.write(`${text}\n`);
  const elapsedSeconds = () => (performance.now() - started) / 1000;
  const stamp = () => paint('dim', `${elapsedSeconds().toFixed(2).padStart(6)} s`);
  return {
    chapter: (title) => line(`\n${paint('bold', title)}`),
    say: (text) => line(`${stamp()}    ${text}`),
    check(holds, text) {
      line(`${stamp()}  ${holds ? paint('green', '✓') : paint('red', '✗')} ${text}`);
      if (!holds) throw new Error(`The demo expected: ${text}`);
    },
    elapsedSeconds,
  };
}

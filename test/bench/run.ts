import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { Bench, Progress } from './harness/bench.ts';
import { allMet, printFindings } from './harness/print.ts';

const ENDING = '.bench.ts';

/** The benches in a folder by name, in alphabetical order. */
async function loadBenches(folder: string): Promise<Map<string, Bench>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(ENDING)).sort();
  const loaded = await Promise.all(
    files.map(async (file) => {
      const module = (await import(pathToFileURL(join(folder, file)).href)) as { default: Bench };
      return [file.slice(0, -ENDING.length), module.default] as const;
    }),
  );
  return new Map(loaded);
}

function usage(benches: Map<string, Bench>): string {
  const width = Math.max(...[...benches.keys(), 'all'].map((name) => name.length));
  const lines = [...benches].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    'Usage: npm run bench -- <name> …',
    '',
    ...lines,
    `  ${'all'.padEnd(width)}  every one of them, in turn`,
    '',
    'Each ends with one RESULT line; the exit code is 1 when a mark is missed. See test/bench/README.md.',
    '',
  ].join('\n');
}

/** One line that is written over and over on a terminal; silent elsewhere. */
function createProgress(): { say: Progress; clear: () => void } {
  if (!process.stderr.isTTY) return { say: () => undefined, clear: () => undefined };
  const started = performance.now();
  const clear = () => void process.stderr.write('\r\u001b[K');
  return {
    clear,
    say: (text) => {
      clear();
      process.stderr.write(`${((performance.now() - started) / 1000).toFixed(0)} s  ${text}`);
    },
  };
}

async function runBench(name: string, bench: Bench): Promise<boolean> {
  process.stdout.write(`${name}: ${bench.summary}\n\n`);
  const progress = createProgress();
  const findings = await bench.run(progress.say).finally(progress.clear);
  process.stdout.write(printFindings(name, findings));
  return allMet(findings.marks);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    // Where the benches lie; tests plant some of their own.
    options: { folder: { type: 'string' } },
  });
  const folder =
    values.folder === undefined ? fileURLToPath(new URL('.', import.meta.url)) : resolve(values.folder);
  const benches = await loadBenches(folder);
  if (positionals.length === 0) {
    process.stdout.write(usage(benches));
    return 0;
  }
  const names = positionals.includes('all') ? [...benches.keys()] : positionals;
  const unknown = names.filter((name) => !benches.has(name));
  if (unknown.length > 0) {
    process.stderr.write(`There is no bench ${unknown.join(', ')}.\n\n${usage(benches)}`);
    return 2;
  }
  let met = true;
  for (const name of names) {
    // One that cannot be measured is no reason to keep the others from it.
    met =
      (await runBench(name, benches.get(name) as Bench).catch((error: unknown) => {
        process.stderr.write(`${name} failed: ${error instanceof Error ? error.stack : error}\n`);
        return false;
      })) && met;
  }
  return met ? 0 : 1;
}

// What the benches start is ended by listeners of `exit`, which a signal alone does not call.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
// Peers keep timers and sockets of their own: nothing is left to wait for.
process.exit(await main());

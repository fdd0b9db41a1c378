import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { compare, findingsOf } from './harness/against.ts';
import type { Bench, Progress } from './harness/bench.ts';
import { figuresOf } from './harness/figures.ts';
import { projectOf, withOtherCommit } from './harness/other-commit.ts';
import { allMet, printFindings, resultOf, rounded } from './harness/print.ts';
import { createPrograms, Interrupted } from './harness/programs.ts';

const ENDING = '.bench.ts';
const ROUNDS = 5;
const INTERRUPTED = 130;

/** What the command line asks for. */
interface Request {
  folder: string;
  /** One line of JSON for each bench and nothing else. */
  json: boolean;
  against?: string | undefined;
  rounds: number;
  /** To the sizes that take long. */
  long: boolean;
}

// What the benches start is ended by listeners of `exit`, which a signal alone does not call.
let interrupt = (): void => process.exit(INTERRUPTED);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupt());

/** A command line that says nothing we can do; the exit code is 2. */
class UsageError extends Error {}

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
    'Usage: npm run bench -- <name> … [--against <commit>] [--rounds <number>] [--json] [--long]',
    '',
    ...lines,
    `  ${'all'.padEnd(width)}  every one of them, in turn`,
    '',
    '  --against <commit>  runs the files here and that commit in turns, and says which is slower',
    `  --rounds <number>   how many turns; ${ROUNDS} unless given`,
    '  --json              prints nothing but the RESULT, with every round',
    '  --long              goes on to sizes that take long to prepare, where a bench has them',
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

async function runBench(name: string, bench: Bench, { json, long }: Request): Promise<boolean> {
  if (!json) process.stdout.write(`${name}: ${bench.summary}\n\n`);
  const progress = createProgress();
  const findings = await bench.run(progress.say, { long }).finally(progress.clear);
  const figures = Object.fromEntries(
    Object.entries(figuresOf(findings, bench.compared)).map(([key, value]) => [key, rounded(value)]),
  );
  const result = resultOf(name, findings.marks, { figures });
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : printFindings(findings, result));
  return allMet(findings.marks);
}

/** Runs the benches one by one. One that cannot be measured is no reason to keep the others from it. */
async function runEach(
  benches: Map<string, Bench>,
  work: (name: string, bench: Bench) => Promise<boolean>,
): Promise<boolean> {
  let met = true;
  for (const [name, bench] of benches) {
    try {
      met = (await work(name, bench)) && met;
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      process.stderr.write(`${name} failed: ${error instanceof Error ? error.stack : error}\n`);
      met = false;
    }
  }
  return met;
}

async function compareEach(
  benches: Map<string, Bench>,
  commit: string,
  { folder, json, rounds }: Request,
): Promise<boolean> {
  const programs = createPrograms();
  interrupt = () => programs.interrupt();
  const progress = createProgress();
  const project = await projectOf(folder, programs);
  const work = withOtherCommit(project, commit, programs, progress.say, (other) =>
    runEach(benches, async (name, bench) => {
      const turns = await compare(name, bench.compared, project, other, rounds, programs, progress.say);
      progress.clear();
      const findings = findingsOf(bench.compared, other.commit, turns);
      const against = { against: other.commit };
      if (json) {
        const result = resultOf(name, findings.marks, { ...against, rounds: turns });
        process.stdout.write(`${JSON.stringify(result)}\n`);
      } else {
        process.stdout.write(`${name}: here against ${other.commit}, ${rounds} rounds\n\n`);
        process.stdout.write(printFindings(findings, resultOf(name, findings.marks, against)));
      }
      return allMet(findings.marks);
    }),
  );
  return await work.finally(progress.clear);
}

function readRequest(): { request: Request; names: string[] } {
  const { values, positionals: names } = parseArgs({
    allowPositionals: true,
    options: {
      // Where the benches lie; tests plant some of their own.
      folder: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
      against: { type: 'string' },
      rounds: { type: 'string' },
      json: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds ?? ROUNDS);
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError('--rounds is a number of 1 or more.');
  if (values.rounds !== undefined && values.against === undefined) {
    throw new UsageError('--rounds goes with --against <commit>: every bench has its own rounds.');
  }
  if (values.long && values.against !== undefined) {
    throw new UsageError('--long does not go with --against <commit>: the other commit may not know it.');
  }
  const { json, against, long } = values;
  return { request: { folder: resolve(values.folder), json, against, rounds, long }, names };
}

async function main(): Promise<number> {
  const { request, names } = readRequest();
  const benches = await loadBenches(request.folder);
  if (names.length === 0) {
    process.stdout.write(usage(benches));
    return 0;
  }
  const unknown = names.filter((name) => name !== 'all' && !benches.has(name));
  if (unknown.length > 0) {
    throw new UsageError(`There is no bench ${unknown.join(', ')}.\n\n${usage(benches)}`);
  }
  const wanted = names.includes('all')
    ? benches
    : new Map(names.map((name) => [name, benches.get(name) as Bench]));
  const { against } = request;
  const met =
    against === undefined
      ? await runEach(wanted, (name, bench) => runBench(name, bench, request))
      : await compareEach(wanted, against, request);
  return met ? 0 : 1;
}

/** The exit code of an error, which is told unless the user knows it. */
function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return INTERRUPTED;
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  return 1;
}

// Peers keep timers and sockets of their own: nothing is left to wait for.
process.exit(await main().catch(exitCodeOf));

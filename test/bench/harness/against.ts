import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { alternate, type Compared, type Findings, median, type Progress } from './bench.ts';
import { readFigures } from './figures.ts';
import type { OtherCommit } from './other-commit.ts';
import type { Programs } from './programs.ts';

/** How much slower than the other commit a bench may be. */
const NOT_SLOWER = 1.1;
/** What every commit has: names of benches as arguments, a table and a `RESULT` line on standard output. */
const ENTRY = join('test', 'bench', 'run.ts');

/** Both runs of a round, and which came first. */
export interface Round {
  first: 'here' | 'there';
  here: Record<string, number>;
  there: Record<string, number>;
}

/** How many times as long it takes here as there: of a time here by there, of a rate there by here. */
export function slowdown({ kind, name }: Compared, { here, there }: Round): number {
  const [ours, theirs] = [here[name] ?? Number.NaN, there[name] ?? Number.NaN];
  return kind === 'time' ? ours / theirs : theirs / ours;
}

/** Runs a bench of the files here and the bench of the same name of another commit in turns, a process each. */
export async function compare(
  bench: string,
  compared: readonly Compared[],
  project: string,
  other: OtherCommit,
  rounds: number,
  programs: Programs,
  progress: Progress,
): Promise<Round[]> {
  if (!(await exists(join(other.folder, 'test', 'bench', `${bench}.bench.ts`)))) {
    throw new Error(`${other.commit} has no bench ${bench}: compare with a commit that has.`);
  }
  const sample = (folder: string) => async () => {
    // A mark of its own that it misses (1) says nothing about the other side.
    const run = await programs.run(process.execPath, [join(folder, ENTRY), bench], folder, [0, 1]);
    try {
      return readFigures(run.stdout, compared);
    } catch (cause) {
      throw new Error(`${bench} in ${folder}: ${(cause as Error).message}.\n${run.output.slice(-4000)}`, {
        cause,
      });
    }
  };
  const samples = await alternate({ there: sample(other.folder), here: sample(project) }, rounds, (text) =>
    progress(`${bench}, ${text}`),
  );
  return samples.here.map((here, round) => ({
    // As `alternate` has it.
    first: round % 2 === 0 ? 'there' : 'here',
    here,
    there: samples.there[round] ?? {},
  }));
}

/** What the rounds come to: a row for each number of each round, and a mark for each number. */
export function findingsOf(
  compared: readonly Compared[],
  commit: string,
  rounds: readonly Round[],
): Findings {
  return {
    columns: ['round', 'first', 'here', commit, 'slower'],
    rows: rounds.flatMap((round, index) =>
      compared.map((one) => [
        `${index + 1} ${one.name}`,
        round.first === 'here' ? 'here' : commit,
        round.here[one.name] ?? Number.NaN,
        round.there[one.name] ?? Number.NaN,
        `${slowdown(one, round).toFixed(2)} ×`,
      ]),
    ),
    marks: compared.map((one) => ({
      name: one.name,
      value: median(rounds.map((round) => slowdown(one, round))),
      atMost: NOT_SLOWER,
    })),
    notes: [
      ...compared.map(({ name, kind, row, column }) => `${name}: the ${kind} at ${row}, ${column}.`),
      'The mark is the median of the rounds: how many times as long it takes here, with the files as they are now.',
    ],
  };
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** A limit that a measured number must keep, and by which a bench is met or missed. */
export interface Mark {
  /** Key of the number in the `RESULT` line. */
  name: string;
  value: number;
  atLeast?: number;
  atMost?: number;
}

/** What a bench found out. */
export interface Findings {
  columns: string[];
  rows: (string | number)[][];
  marks: Mark[];
  /** What one must know to read the numbers, line by line. */
  notes?: string[];
}

/** A number of a bench by which two commits are compared: a cell of its table. */
export interface Compared {
  /** Key of the number in the `RESULT` line. */
  name: string;
  /** Of a time less is better, of a rate more. */
  kind: 'time' | 'rate';
  /** The cell: the row with this in its first column, under this heading. */
  row: string;
  column: string;
}

/** Says what is going on, for a user who waits at a terminal. */
export type Progress = (text: string) => void;

/** How far a bench goes. */
export interface Extent {
  /** Also to sizes that take an hour to prepare, where a bench has them. */
  long: boolean;
}

/** The default export of every `<name>.bench.ts`. */
export interface Bench {
  /** What it measures, in one line. */
  summary: string;
  /** What `--against` compares. Rows and columns keep their names, or commits before the change cannot be compared. */
  compared: readonly [Compared, ...Compared[]];
  run(progress: Progress, extent: Extent): Promise<Findings>;
}

/** Whether a number keeps its limit; one that could not be measured does not. */
export function isMet({ value, atLeast, atMost }: Mark): boolean {
  if (Number.isNaN(value)) return false;
  return (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost);
}

/** The value below which `share` (0 to 1) of the values lie, by nearest rank; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle value: one round that other work disturbed does not move it. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/**
 * Runs every side once per round, in an order that moves on each round, so that whatever else the machine does hits
 * all of them alike. Returns each side's samples, in the order of the rounds.
 */
export async function alternate<Side extends string, Sample>(
  sides: Record<Side, () => Promise<Sample>>,
  rounds: number,
  progress: Progress,
): Promise<Record<Side, Sample[]>> {
  const names = Object.keys(sides) as Side[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as Sample[]])) as Record<Side, Sample[]>;
  for (let round = 0; round < rounds; round++) {
    for (const [index] of names.entries()) {
      const name = names[(index + round) % names.length] as Side;
      progress(`round ${round + 1} of ${rounds}: ${name}`);
      samples[name].push(await sides[name]());
    }
  }
  return samples;
}

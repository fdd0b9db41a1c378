/** How one check of something went. */
export interface StepResult {
  name: string;
  ok: boolean;
  /** What is wrong, each for itself; empty when the step passed. */
  problems: string[];
  milliseconds: number;
}

/** Told as it happens: what begins, what programs say meanwhile, how it ended. */
export interface StepListener {
  begins(name: string): void;
  says(line: string): void;
  ended(result: StepResult): void;
}

export const SILENT: StepListener = {
  begins: () => undefined,
  says: () => undefined,
  ended: () => undefined,
};

/** Runs one step; it fails with the problems that `work` returns, or with what it throws. */
export async function runStep(
  name: string,
  work: () => Promise<string[]>,
  listener: StepListener = SILENT,
): Promise<StepResult> {
  listener.begins(name);
  const start = performance.now();
  let problems: string[];
  try {
    problems = await work();
  } catch (error) {
    problems = [error instanceof Error ? error.message : String(error)];
  }
  const result = {
    name,
    ok: problems.length === 0,
    problems,
    milliseconds: Math.round(performance.now() - start),
  };
  listener.ended(result);
  return result;
}

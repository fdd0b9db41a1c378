import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const TESTS = fileURLToPath(new URL('../', import.meta.url));

/**
 * A sequencer that begins a project with these files of `test`, in this order, so that a run does not end with one of them while the
 * other workers have nothing left. What else there is goes by its size, as everywhere. Throws where one of them is not there.
 */
export function longestFirst(files: readonly string[]): typeof BaseSequencer {
  const paths = files.map((file) => join(TESTS, file));
  const missing = paths.filter((path) => !existsSync(path));
  if (missing.length > 0)
    throw new RangeError(`There is no ${missing.join(', ')}: mend the order of the files.`);
  const place = ({ moduleId }: TestSpecification): number => {
    const found = paths.indexOf(moduleId);
    return found === -1 ? paths.length : found;
  };
  return class extends BaseSequencer {
    override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
      const sorted = await super.sort(specifications);
      const projects = [...new Set(sorted.map(({ project }) => project))];
      return projects.flatMap((project) =>
        sorted.filter((one) => one.project === project).toSorted((a, b) => place(a) - place(b)),
      );
    }
  };
}

import { expect, test } from 'vitest';
import type { TestSpecification, Vitest } from 'vitest/node';
import { longestFirst } from '../../support/longest-first.ts';

const TESTS = new URL('../../', import.meta.url).pathname;
const fast = { name: 'fast', config: { sequence: { groupOrder: 0 } } };
const slow = { ...fast, name: 'slow' };

test('the files that are named begin their project, in the order in which they are named', async () => {
  const Sequencer = longestFirst(['react/renders-on-a-server.test.tsx', 'e2e/demo.slow.test.ts']);
  const none = { cache: { getTestSpecificationResult: () => undefined } } as unknown as Vitest;
  const files = [
    ['e2e/local/functions.slow.test.ts', slow],
    ['e2e/demo.slow.test.ts', slow],
    ['unit/quality/longest-first.test.ts', fast],
    ['react/renders-on-a-server.test.tsx', fast],
  ] as const;
  const specifications = files.map(([file, project]) => ({ moduleId: `${TESTS}${file}`, project }));
  const sorted = await new Sequencer(none).sort(specifications as unknown as TestSpecification[]);
  expect(sorted.map(({ moduleId }) => moduleId.slice(TESTS.length))).toEqual([
    'react/renders-on-a-server.test.tsx',
    'unit/quality/longest-first.test.ts',
    'e2e/demo.slow.test.ts',
    'e2e/local/functions.slow.test.ts',
  ]);
});

test('a file that was renamed is found missing', () => {
  expect(() => longestFirst(['e2e/demo.test.ts'])).toThrow('e2e/demo.test.ts: mend the order');
});

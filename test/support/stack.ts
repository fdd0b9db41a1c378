import { afterAll, afterEach, beforeAll, inject } from 'vitest';
import { type Stack, type StackOptions, startStack } from '../../tools/local/stack.ts';
import type {} from './migrated-cluster.ts';

/**
 * A stack of this project that starts with the migrations applied: 1 s instead of 5 on two cores. Of the functions only
 * push-dispatch is up with it unless `functions` says otherwise: most tests ask no other.
 */
export function startMigratedStack(options: StackOptions = {}): Promise<Stack> {
  return startStack({ functions: ['push-dispatch'], ...options, cluster: inject('cluster') });
}

/** A stack of another project, on a database that is prepared as a new project's is. */
function startEmptyStack(options: StackOptions): Promise<Stack> {
  return startStack({ ...options, cluster: inject('emptyCluster') });
}

/** The stack of a test file, while its tests run. */
export interface StackHandle {
  (): Stack;
  /** What the stack and its functions have said so far. */
  log(): string[];
}

/**
 * One stack for all tests of a file, on free ports with a database of its own: started before them, stopped after.
 * Call it at the top of the file; the handle gives the stack inside of tests. A failing test shows the stack's log.
 */
export function useStack(
  options: StackOptions | (() => StackOptions | Promise<StackOptions>) = {},
): StackHandle {
  const lines: string[] = [];
  let stack: Stack | undefined;
  beforeAll(async () => {
    const wanted = typeof options === 'function' ? await options() : options;
    const start = wanted.projectDirectory === undefined ? startMigratedStack : startEmptyStack;
    stack = await start({ ...wanted, log: (line) => void lines.push(line) });
  });
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.error(`The stack's log:\n${lines.slice(-100).join('\n')}`);
  });
  afterAll(() => stack?.stop());
  const current = (): Stack => {
    if (!stack) throw new Error('the stack runs during the tests only');
    return stack;
  };
  return Object.assign(current, { log: () => lines });
}

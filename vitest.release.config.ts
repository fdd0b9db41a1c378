import { defineConfig } from 'vitest/config';
import { prepareRun } from './test/support/run-environment.ts';

prepareRun();

export default defineConfig({
  test: {
    include: ['test/release/**/*.release.test.ts'],
    globalSetup: ['test/support/migrated-cluster.ts', 'test/release/support/packed.ts'],
    maxWorkers: 2,
    // What the README promises for the whole of its quick start.
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});

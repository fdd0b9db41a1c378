import { defineConfig } from 'vitest/config';
import { prepareRun } from './test/support/run-environment.ts';

prepareRun();

export default defineConfig({
  test: {
    include: ['test/browser/**/*.browser.ts'],
    globalSetup: ['test/support/migrated-cluster.ts', 'test/browser/support/build-pages.ts'],
    // A file waits for its browser half of the time: three keep two cores busy.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

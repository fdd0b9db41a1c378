import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/browser/**/*.browser.ts'],
    globalSetup: ['test/support/migrated-cluster.ts', 'test/browser/support/build-pages.ts'],
    // A browser, Postgres and Deno keep two cores busy: one file at a time.
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

import { defineConfig } from 'vitest/config';
import { prepareRun } from './test/support/run-environment.ts';

prepareRun();

// What needs PgBouncer, which no npm package has: see .ci/pgbouncer.
export default defineConfig({
  test: {
    include: ['test/pooler/**/*.pooler.test.ts'],
    globalSetup: ['test/support/migrated-cluster.ts'],
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

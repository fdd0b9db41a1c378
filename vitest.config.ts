import { defineConfig } from 'vitest/config';
import { prepareRun } from './test/support/run-environment.ts';

prepareRun();

const SLOW = 'test/**/*.slow.test.{ts,tsx}';
const RELEASE = 'test/release/**';

export default defineConfig({
  test: {
    globalSetup: ['test/support/postgres-global-setup.ts'],
    // Two cores: a third worker would only make every Postgres and Deno start slower.
    maxWorkers: 2,
    // A process per file would cost more than most files' tests.
    isolate: false,
    hookTimeout: 120_000,
    // postgres.js asks a new connection for its types. Cut at that moment, as where a test crashes Postgres, it rejects where no caller
    // can catch it, though the connection is tried again.
    onUnhandledError: (error) => {
      const { code, query } = error as { code?: unknown; query?: unknown };
      return !(code === 'CONNECTION_CLOSED' && String(query).includes('typarray'));
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'fast',
          include: ['test/**/*.test.{ts,tsx}'],
          exclude: [SLOW, RELEASE],
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        // What waits for a clock, walks at random, crashes things, or starts programs of its own.
        test: { name: 'slow', include: [SLOW], testTimeout: 180_000 },
      },
    ],
  },
});

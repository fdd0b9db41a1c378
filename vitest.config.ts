import { defineConfig } from 'vitest/config';
import { longestFirst } from './test/support/longest-first.ts';
import { prepareRun } from './test/support/run-environment.ts';

prepareRun();

const SLOW = 'test/**/*.slow.test.{ts,tsx}';
const RELEASE = 'test/release/**';
const POOLER = 'test/pooler/**';

/** Those that wait more than they work stand between those that keep a processor busy. */
const LONGEST = [
  'e2e/demo.slow.test.ts',
  'e2e/faults/one-user-stops-nobody.slow.test.ts',
  'e2e/delivery/killed-dispatcher.slow.test.ts',
  'e2e/local/dev-command.slow.test.ts',
  // Packs the package, which others then find.
  'functions/cli/init.slow.test.ts',
  'e2e/faults/api-outage.slow.test.ts',
  'e2e/delivery/alerts.slow.test.ts',
  'e2e/local/lifetime.slow.test.ts',
  'e2e/faults/database.slow.test.ts',
  'e2e/delivery/burst.slow.test.ts',
  'functions/deploy/faulty-functions-are-found.slow.test.ts',
  'e2e/faults/poison.slow.test.ts',
  'unit/build/package.slow.test.ts',
  'e2e/faults/strangers.slow.test.ts',
  'e2e/faults/wrong-key.slow.test.ts',
  'functions/push-quotes/push-quotes.slow.test.ts',
  'e2e/faults/repeats.slow.test.ts',
  'e2e/faults/push-service.slow.test.ts',
  'functions/deploy/project-deploys.slow.test.ts',
  'functions/deploy/faulty-migrations-are-found.slow.test.ts',
  'e2e/local/dev-page.slow.test.ts',
];

export default defineConfig({
  test: {
    globalSetup: ['test/support/postgres-global-setup.ts'],
    // Two cores: a third worker would only make every Postgres and Deno start slower.
    maxWorkers: 2,
    // A process per file would cost more than most files' tests.
    isolate: false,
    sequence: { sequencer: longestFirst(LONGEST) },
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
          exclude: [SLOW, RELEASE, POOLER],
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

import { defineConfig } from 'vitest/config';
import { longestFirst } from './test/support/longest-first.ts';
import { prepareRun } from './test/support/run-environment.ts';

prepareRun();

export default defineConfig({
  test: {
    include: ['test/browser/**/*.browser.ts'],
    globalSetup: [
      'test/support/migrated-cluster.ts',
      'test/browser/support/build-pages.ts',
      'test/browser/support/firefox-profile.ts',
    ],
    // A file waits for its browser half of the time: three keep two cores busy.
    maxWorkers: 3,
    // A process per file would load the stack and the drivers of browsers for each.
    isolate: false,
    sequence: {
      sequencer: longestFirst([
        'quick-start',
        'sdk-in-firefox',
        'demo-page',
        'sdk-away-in-firefox',
        'worker-without-push-is-found-out',
        'panel-is-in-the-window',
        'the-newest-stays',
        'every-push-shows-something',
        'plain-push',
        'click-leads-to-the-page',
        'trusted-types',
        'components-are-for-everybody',
        'users-of-one-firefox',
        'what-is-written-survives-a-click',
        'firefox-shows-a-repeat-once',
      ]),
    },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

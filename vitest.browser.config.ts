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
        'browser/quick-start.browser.ts',
        'browser/sdk-in-firefox.browser.ts',
        'browser/demo-page.browser.ts',
        'browser/sdk-away-in-firefox.browser.ts',
        'browser/worker-without-push-is-found-out.browser.ts',
        'browser/panel-is-in-the-window.browser.ts',
        'browser/the-newest-stays.browser.ts',
        'browser/every-push-shows-something.browser.ts',
        'browser/plain-push.browser.ts',
        'browser/click-leads-to-the-page.browser.ts',
        'browser/trusted-types.browser.ts',
        'browser/components-are-for-everybody.browser.ts',
        'browser/users-of-one-firefox.browser.ts',
        'browser/what-is-written-survives-a-click.browser.ts',
        'browser/firefox-shows-a-repeat-once.browser.ts',
      ]),
    },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

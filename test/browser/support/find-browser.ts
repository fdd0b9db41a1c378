import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = {
  firefox: ['firefox-esr', 'firefox'],
  chromium: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
};

/** The path of an installed browser. Throws, naming what would help, when there is none. */
export function findBrowser(browser: keyof typeof NAMES): string {
  for (const name of NAMES[browser]) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // The next one may be there.
      }
    }
  }
  throw new Error(
    `None of ${NAMES[browser].join(', ')} is installed; on Debian, .ci/browsers installs them.`,
  );
}

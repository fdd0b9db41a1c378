import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { expect, test } from 'vitest';
import { BROWSERS } from '../../../tools/build/build-package.ts';
import { newerThan } from '../../support/newer-than.ts';

const SOURCE = fileURLToPath(new URL('../../../src/device/', import.meta.url));

/** What is no such use after all. */
const EXPLAINED: Record<string, string> = {
  '.dispose': 'of our client',
  '.preferences': 'of our client',
  '.setAppBadge': 'looked for before it is called',
  '.showPopover': 'looked for before it is called',
  '.sync': 'of our client; of a registration it is looked for before it is called',
  '.vibrate': 'of a message: browsers leave out what they do not know',
  '.when': 'of our strings',
  'Intl.supportedValuesOf': 'looked for before it is called',
  trustedTypes: 'looked for before it is used',
};

/** What a browser gets of an entry, its own code alone. */
async function codeOf(entry: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      target: BROWSERS,
      // Names stay, comments go.
      minify: 'oxc',
      rolldownOptions: {
        input: `${SOURCE}${entry}`,
        external: [/^@supabase\//, /^react/],
        preserveEntrySignatures: 'strict',
        output: { format: 'es' },
      },
    },
  });
  const { output } = [result].flat()[0] as { output: { code?: string }[] };
  return output.map(({ code = '' }) => code).join('\n');
}

test.each(['client/index.ts', 'react/index.ts', 'service-worker/sw.ts'])(
  '%s uses nothing that the oldest browsers named in the build lack',
  async (entry) => {
    const found = newerThan(BROWSERS, await codeOf(entry));
    expect(found.filter(({ name }) => !(name in EXPLAINED))).toEqual([]);
  },
);

test.each([
  ['fetch(url, { signal: AbortSignal.timeout(5) })', 'AbortSignal.timeout', ['chrome93']],
  ['Intl.supportedValuesOf("timeZone")', 'Intl.supportedValuesOf', ['chrome93']],
  ['list.findLast(Boolean)', '.findLast', ['chrome93', 'firefox100']],
  ['structuredClone(value)', 'structuredClone', ['chrome93']],
  ['new CloseWatcher()', 'CloseWatcher', ['chrome93', 'firefox100', 'safari16.4']],
])('%s would be found', (code, name, browsers) => {
  expect(newerThan(BROWSERS, code)).toContainEqual({ name, browsers });
});

test('what they have is not', () => {
  const code =
    'Promise.any(list.map((one) => one.at(-1))); crypto.randomUUID(); navigator.locks.request("a", work)';
  expect(newerThan(BROWSERS, code)).toEqual([]);
});

import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

const REACT = fileURLToPath(new URL('../../src/device/react/index.ts', import.meta.url));
const ENTRY = 'virtual:entry';

/** What an app ships that imports components so, with React left to the app; in bytes, gzipped. */
async function bundle(source: string): Promise<{ bytes: number; imports: string[] }> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    // As in production, though this is a test.
    oxc: { jsx: { runtime: 'automatic', development: false } },
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      rolldownOptions: {
        input: ENTRY,
        external: [/^react/],
        preserveEntrySignatures: 'strict',
        output: { format: 'es' },
      },
    },
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === ENTRY ? `\0${ENTRY}` : null),
        load: (id) => (id === `\0${ENTRY}` ? source.replace('supapush/react', REACT) : null),
      },
    ],
  });
  const { output } = [result].flat()[0] as { output: { code?: string; imports?: string[] }[] };
  expect(output).toHaveLength(1);
  const { code = '', imports = [] } = output[0] ?? {};
  const own = code.replaceAll(/import"[^"]+";/g, '').trim();
  return { bytes: own === '' ? 0 : gzipSync(code).length, imports: imports.sort() };
}

test('all components are at most 16 kB gzipped, and need React alone', async () => {
  const { bytes, imports } = await bundle(`export * from 'supapush/react';`);
  expect(imports).toEqual(['react', 'react/jsx-runtime']);
  expect(bytes).toBeLessThanOrEqual(16 * 1024);
});

test('an app that shows the bell alone ships no settings and no alerts', async () => {
  const { bytes } = await bundle(`export { InboxBell, PushProvider } from 'supapush/react';`);
  expect(bytes).toBeLessThanOrEqual(8 * 1024);
});

test('nothing runs when it is loaded', async () => {
  expect((await bundle(`import 'supapush/react';`)).bytes).toBe(0);
});

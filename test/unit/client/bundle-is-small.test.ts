import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

const CLIENT = fileURLToPath(new URL('../../../src/device/client/index.ts', import.meta.url));
const ENTRY = 'virtual:entry';

/** What an app ships that imports the client so: minified for today's browsers, with supabase-js left to the app. */
async function bundle(source: string): Promise<{ code: string; imports: string[] }> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      rolldownOptions: {
        input: ENTRY,
        external: [/^@supabase\//],
        preserveEntrySignatures: 'strict',
        output: { format: 'es' },
      },
    },
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === ENTRY ? `\0${ENTRY}` : null),
        load: (id) => (id === `\0${ENTRY}` ? source.replace('supapush/client', CLIENT) : null),
      },
    ],
  });
  const { output } = [result].flat()[0] as { output: { type: string; code?: string; imports?: string[] }[] };
  const chunks = output.filter(({ type }) => type === 'chunk');
  expect(chunks).toHaveLength(1);
  return { code: chunks[0]?.code ?? '', imports: chunks[0]?.imports ?? [] };
}

test('the whole client is at most 9.6 kB gzipped, and brings nothing of supabase-js along', async () => {
  const { code, imports } = await bundle(`export * from 'supapush/client';`);
  expect(code).toContain('push_vapid_key');
  expect(imports).toEqual([]);
  expect(gzipSync(code).length).toBeLessThanOrEqual(9.6 * 1024);
});

test('an app that imports the error alone ships neither the client nor anything that runs when it is loaded', async () => {
  const { code } = await bundle(`export { PushClientError } from 'supapush/client';`);
  expect(code).not.toContain('push_vapid_key');
  expect(gzipSync(code).length).toBeLessThanOrEqual(1600);
  expect((await bundle(`import 'supapush/client';`)).code.trim()).toBe('');
});

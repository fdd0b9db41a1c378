import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkWithBiome } from '../../../tools/quality/biome.ts';
import { checkFunctionsWithDeno } from '../../../tools/quality/deno-check.ts';
import { checkEntrypointLength, checkSourceLength } from '../../../tools/quality/file-length.ts';
import { checkFunctionVersions } from '../../../tools/quality/function-versions.ts';
import { checkTypes } from '../../../tools/quality/type-check.ts';
import { ENTRYPOINT, PROJECT, withPlantedProject } from '../../functions/deploy/planted-project.ts';

const DENO_JSON = 'supabase/functions/push-dispatch/deno.json';

test('a type error is found by tsc, and only where it is', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await symlink(join(PROJECT, 'node_modules'), join(directory, 'node_modules'));
    await write(
      'tsconfig.json',
      JSON.stringify({ extends: join(PROJECT, 'tsconfig.json'), include: ['planted'] }),
    );
    await write('package.json', '{ "type": "module" }\n');
    await write('planted/right.ts', "export const right: string = 'right';\n");
    expect(await checkTypes(directory)).toEqual([]);
    await write('planted/wrong.ts', 'export const wrong: string = 1;\n');
    expect(await checkTypes(directory)).toEqual([
      expect.stringMatching(/^planted\/wrong\.ts\(1,14\): error TS2322/),
    ]);
  });
});

test('a type error in an Edge Function is found by deno check', async () => {
  await withPlantedProject(async ({ directory, append }) => {
    await append(ENTRYPOINT, '\nexport const wrong: string = Deno.pid;\n');
    expect((await checkFunctionsWithDeno(directory)).join()).toContain('TS2322');
  });
});

test('a package that deno.lock does not hold is found by deno check', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await write('deno.lock', '{ "version": "5" }\n');
    expect((await checkFunctionsWithDeno(directory)).join()).toContain('The lockfile is out of date');
  });
});

test('unformatted code and unused imports are found by Biome', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await write('src/planted.ts', "export const right = 'right';\n");
    const check = () => checkWithBiome(directory, 'src/planted.ts');
    expect(await check()).toEqual([]);
    await write('src/planted.ts', 'export const wrong = "wrong"\n');
    expect((await check()).join()).toMatch(/src\/planted\.ts format/);
    await write('src/planted.ts', "import { join } from 'node:path';\n\nexport const wrong = 1;\n");
    expect((await check()).join()).toMatch(/src\/planted\.ts.*noUnusedImports/);
  });
});

/** A file, and what a rule of its folder forbids it to import. */
const FORBIDDEN = {
  'src/shared/planted.ts': '../server/channels/channel.ts',
  'src/shared/of-node.ts': 'node:fs',
  'src/server/functions/planted.ts': '../../device/shared/push-store.ts',
  'src/server/dispatch/planted.ts': 'node:timers',
  'src/server/worker/planted.ts': 'node:timers',
  'src/server/quotes/planted.ts': '../dispatch/dispatcher.ts',
  'src/server/database/planted.ts': '../quotes/quote-source.ts',
  'src/server/channels/webpush/planted.ts': '../../database/health.ts',
  'src/server/notification/planted.ts': '../channels/channel.ts',
  'src/device/shared/planted.ts': '../client/signal.ts',
  'src/device/client/planted.ts': '../react/index.ts',
  'src/device/react/planted.ts': '../service-worker/index.ts',
  'src/device/service-worker/planted.ts': '../../server/channels/channel.ts',
  'src/cli/planted.ts': '../../tools/local/stack.ts',
  'src/cli/of-tests.ts': '../testing/index.ts',
  'src/testing/planted.ts': '../cli/vapid-pair.ts',
  'tools/local/planted.ts': '../demo/narrator.ts',
  'tools/quality/planted.ts': '../../test/support/stack.ts',
  'tools/reference/planted.ts': '../commands/check.ts',
  'tools/build/planted.ts': '../local/stack.ts',
  'tools/deploy/planted.ts': '../commands/check.ts',
  'tools/demo/planted.ts': '../quality/steps.ts',
  'tools/commands/planted.ts': '../../test/support/stack.ts',
};

test('an import that a rule of its folder forbids is found in every folder that has one', async () => {
  const importing = (specifier: string): string =>
    `import * as planted from '${specifier}';\n\nexport const used = planted;\n`;
  await withPlantedProject(async ({ directory, write }) => {
    for (const file of Object.keys(FORBIDDEN)) await write(file, importing('zod'));
    expect((await checkWithBiome(directory)).join()).not.toContain('noRestrictedImports');
    for (const [file, specifier] of Object.entries(FORBIDDEN)) await write(file, importing(specifier));
    const said = (await checkWithBiome(directory)).join();
    const found = [...said.matchAll(/^(\S+):\d+:\d+ lint\/style\/noRestrictedImports/gm)].map(
      ([, file]) => file,
    );
    expect(found.sort()).toEqual(Object.keys(FORBIDDEN).sort());
  });
});

test('two files that import each other are found', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await write('src/shared/one.ts', "export { two } from './two.ts';\n\nexport const one = 1;\n");
    await write('src/shared/two.ts', "export { one } from './one.ts';\n\nexport const two = 2;\n");
    expect((await checkWithBiome(directory, 'src/shared')).join()).toContain('noImportCycles');
  });
});

test.each([
  ['npm:zod@1.2.3', 'in package-lock.json'],
  ['npm:zod@^4.6.7', 'names no exact version'],
  ['npm:zod', 'names no exact version'],
  ['npm:left-pad@1.3.0', 'is not in package-lock.json'],
  ['jsr:@std/assert@1.0.0', 'is no npm package'],
  ['../../../src/', 'is no npm package'],
])('"%s" in deno.json is refused: it %s', async (specifier, problem) => {
  await withPlantedProject(async ({ directory, write }) => {
    expect(await checkFunctionVersions(directory)).toEqual([]);
    await write(DENO_JSON, JSON.stringify({ imports: { planted: specifier } }));
    const problems = await checkFunctionVersions(directory);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`${DENO_JSON}: "planted": "${specifier}"`);
    expect(problems[0]).toContain(problem);
  });
});

test('an entrypoint of 21 lines and a source file of 301 are refused, one line less is not', async () => {
  await withPlantedProject(async ({ directory, write }) => {
    await write(ENTRYPOINT, '//\n'.repeat(20));
    await write('src/planted.ts', '//\n'.repeat(300));
    await write('src/planted.generated.ts', '//\n'.repeat(301));
    expect(await checkEntrypointLength(directory)).toEqual([]);
    expect((await checkSourceLength(directory)).join()).not.toContain('planted');
    await write(ENTRYPOINT, '//\n'.repeat(21));
    await write('src/planted.ts', '//\n'.repeat(301));
    expect(await checkEntrypointLength(directory)).toEqual([`${ENTRYPOINT} has 21 lines, 20 at most`]);
    expect(await checkSourceLength(directory)).toContain('src/planted.ts has 301 lines, 300 at most');
  });
});

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build, type Rolldown } from 'vite';
import { BUNDLE_NAME } from '../../src/cli/init/release.ts';
import { sealed } from '../../src/cli/init/seal.ts';
import { VERSION } from '../../src/shared/version.ts';

/** One Edge Function as one module that imports nothing, and the entrypoint that serves it. */
interface BuiltFunction {
  code: string;
  /** The folders of the packages in it. */
  packages: string[];
}

/**
 * Builds each Edge Function of `supabase/functions` into a folder of `outDir`: `index.js`, which exports what its module of
 * `src/server/functions` exports, imports nothing and runs wherever the web platform is, and `serve.ts`, the entrypoint that an app
 * gets. Beside them `LICENSES.txt`, of the packages that are in the bundles.
 *
 * Comments are left out: the Supabase CLI finds imports with a regular expression, in comments of packages as well.
 */
export async function buildFunctions(project: string, outDir: string): Promise<void> {
  const source = join(project, 'supabase/functions');
  const entries = await readdir(source, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const packages = new Set<string>();
  for (const name of names.sort()) {
    const built = await bundle(project, name);
    for (const one of built.packages) packages.add(one);
    const folder = join(outDir, name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'index.js'), sealed(`${banner(name)}\n${built.code}`, VERSION));
    const entrypoint = await readFile(join(source, name, 'index.ts'), 'utf8');
    await writeFile(join(folder, 'serve.ts'), sealed(entrypointOf(name, entrypoint), VERSION));
  }
  const licenses = await Promise.all([...packages].sort().map(licenseOf));
  await writeFile(join(outDir, 'LICENSES.txt'), licenses.join(`\n${'-'.repeat(80)}\n\n`));
}

async function bundle(project: string, name: string): Promise<BuiltFunction> {
  const result = await build({
    configFile: false,
    root: project,
    publicDir: false,
    logLevel: 'warn',
    resolve: { conditions: ['deno', 'worker', 'module', 'import', 'default'] },
    build: {
      write: false,
      target: 'es2022',
      // People read what they deploy.
      minify: false,
      reportCompressedSize: false,
      lib: { entry: join(project, `src/server/functions/${name}.ts`), formats: ['es'] },
      rolldownOptions: { output: { comments: { legal: false, annotation: false, jsdoc: false } } },
    },
  });
  const [{ output } = { output: [] }] = [result].flat() as Rolldown.RolldownOutput[];
  const [chunk, ...others] = output;
  if (chunk?.type !== 'chunk' || others.length > 0 || chunk.imports.length + chunk.dynamicImports.length > 0)
    throw new Error(`${name} does not bundle to one module without imports.`);
  const packages = chunk.moduleIds.flatMap(
    (id) => /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? [],
  );
  return { code: chunk.code, packages };
}

function banner(name: string): string {
  return [
    '/* eslint-disable */',
    '// deno-lint-ignore-file',
    '// @ts-nocheck',
    `// ${name} of Supapush ${VERSION}, with all that it needs: made by its build, replaced by the next release. Do not edit.`,
    '// The packages in it are under the licences in LICENSES.txt of the package supapush.',
  ].join('\n');
}

/** The entrypoint of the clone, with the bundle beside it in place of the sources. */
function entrypointOf(name: string, text: string): string {
  const sources = `'../../../src/server/functions/${name}.ts'`;
  if (!text.includes(sources))
    throw new Error(`supabase/functions/${name}/index.ts does not import ${sources}.`);
  return [
    "// @ts-nocheck: Deno's own names, which the compiler of an app does not know.",
    `// Yours to change. What it serves is in ${BUNDLE_NAME}, which comes with each release of Supapush.`,
    text.replace(sources, `'./${BUNDLE_NAME}'`),
  ].join('\n');
}

async function licenseOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license: string;
  };
  const file = (await readdir(folder)).find((one) => /^licen[cs]e/i.test(basename(one)));
  const text = file === undefined ? '' : `\n${await readFile(join(folder, file), 'utf8')}`;
  return `${name} ${version} (${license})\n${text}`;
}

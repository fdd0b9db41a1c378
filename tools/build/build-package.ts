import { chmod, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'vite';
import { sealed } from '../../src/cli/init/seal.ts';
import { VERSION } from '../../src/shared/version.ts';
import { basicEnvironment, ProgramError, runProgram } from '../quality/run-program.ts';
import { buildFunctions } from './build-functions.ts';
import { buildLocalStack } from './build-local-stack.ts';

/** The oldest browsers that have Web Push and all else we need: iOS has it since 16.4. */
export const BROWSERS = ['chrome93', 'firefox100', 'safari16.4'];

/** One run of the compiler each: what browsers load, the types of the Edge Functions, the command line, what apps' tests import, the local stack. */
const CONFIGURATIONS = [
  'tsconfig.build.json',
  'tsconfig.functions.json',
  'tsconfig.cli.json',
  'tsconfig.testing.json',
  'tsconfig.local.json',
];

/**
 * Builds what apps get into `dist`, which is emptied first: a folder of ES modules with types for each folder of `src/device`
 * that has an `index.ts`, for apps' bundlers, the components' stylesheet, `sw.js`, the service worker as one classic script, the Edge
 * Functions as bundles, and the command `supapush`, what apps' tests import and the local stack as plain JavaScript.
 *
 * Throws a `ProgramError` with what the compiler says.
 */
export async function buildPackage(project: string): Promise<void> {
  const outDir = join(project, 'dist');
  await rm(outDir, { recursive: true, force: true });
  for (const configuration of CONFIGURATIONS) await compile(project, configuration);
  // npm makes a `bin` executable where it installs it, a link into this folder does not.
  await chmod(join(outDir, 'cli/supapush.js'), 0o755);
  await copyFile(join(project, 'src/device/react/supapush.css'), join(outDir, 'device/react/supapush.css'));
  await buildServiceWorker(project, outDir);
  const worker = join(outDir, 'sw.js');
  await writeFile(worker, sealed(await readFile(worker, 'utf8'), VERSION));
  await buildFunctions(project, join(outDir, 'functions'));
  await buildLocalStack(project, join(outDir, 'local'));
}

async function compile(project: string, configuration: string): Promise<void> {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const compiled = await runProgram(
    process.execPath,
    [tsc, '--project', join(project, configuration), '--pretty', 'false'],
    { cwd: project, environment: basicEnvironment() },
  );
  if (compiled.exitCode !== 0) throw new ProgramError('program_failed', compiled.output.trim());
}

/** Writes the ready service worker into a folder as `sw.js`. */
export async function buildServiceWorker(project: string, outDir: string): Promise<void> {
  await build({
    configFile: false,
    root: project,
    publicDir: false,
    logLevel: 'warn',
    build: {
      outDir,
      emptyOutDir: false,
      target: BROWSERS,
      reportCompressedSize: false,
      // It lies among an app's own files, where linters and the compiler would read it.
      rolldownOptions: {
        output: {
          postBanner: '/* eslint-disable -- the service worker of supapush */\n// @ts-nocheck\n',
        },
      },
      lib: {
        entry: join(project, 'src/device/service-worker/sw.ts'),
        formats: ['iife'],
        name: 'supapush',
        fileName: () => 'sw.js',
      },
    },
  });
}

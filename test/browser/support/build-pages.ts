import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import type { TestProject } from 'vitest/node';
import { buildServiceWorker } from '../../../tools/build/build-package.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder with the built pages and service workers. */
    pages: string;
  }
}

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const PAGES = fileURLToPath(new URL('../pages/', import.meta.url));

/** Pages by their names in `test/browser/pages`, without `.html`. */
const DOCUMENTS = ['plain', 'app', 'react'];

const WORKERS = ['plain-sw.js', 'empty-sw.js', 'importing-sw.js'];

let directory: string | undefined;

/** Builds the pages once for the whole run, as an app would: browsers then load a file or two, and nothing reloads them. */
export async function setup(project: TestProject): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'supapush-pages-'));
  await build({
    configFile: false,
    root: PAGES,
    logLevel: 'warn',
    build: {
      outDir: directory,
      emptyOutDir: false,
      minify: false,
      reportCompressedSize: false,
      rolldownOptions: { input: DOCUMENTS.map((name) => join(PAGES, `${name}.html`)) },
    },
  });
  for (const worker of WORKERS) await copyFile(join(PAGES, worker), join(directory, worker));
  // The very file that the package brings along.
  await buildServiceWorker(PROJECT, directory);
  project.provide('pages', directory);
}

export async function teardown(): Promise<void> {
  if (directory) await rm(directory, { recursive: true, force: true });
}

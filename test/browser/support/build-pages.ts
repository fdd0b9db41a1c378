import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type InlineConfig } from 'vite';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder with the built pages and service workers. */
    pages: string;
  }
}

const PAGES = fileURLToPath(new URL('../pages/', import.meta.url));

/** Pages by their names in `test/browser/pages`, without `.html`. */
const DOCUMENTS = ['plain'];

/** Classic service workers: where each is served, and what it is made of. */
const WORKERS: Record<string, string> = { 'plain-sw.js': join(PAGES, 'plain-sw.js') };

let directory: string | undefined;

/** Builds the pages once for the whole run, as an app would: browsers then load a file or two, and nothing reloads them. */
export async function setup(project: TestProject): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'supapush-pages-'));
  await bundle(directory, { input: DOCUMENTS.map((name) => join(PAGES, `${name}.html`)) });
  for (const [file, entry] of Object.entries(WORKERS)) {
    await bundle(directory, { input: entry, output: { format: 'iife', entryFileNames: file } });
  }
  project.provide('pages', directory);
}

export async function teardown(): Promise<void> {
  if (directory) await rm(directory, { recursive: true, force: true });
}

async function bundle(
  outDir: string,
  rolldownOptions: NonNullable<NonNullable<InlineConfig['build']>['rolldownOptions']>,
): Promise<void> {
  await build({
    configFile: false,
    root: PAGES,
    logLevel: 'warn',
    build: { outDir, emptyOutDir: false, minify: false, reportCompressedSize: false, rolldownOptions },
  });
}

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { packProject } from '../../support/packed-package.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** What `npm pack` made. */
    archive: string;
  }
}

let home: string | undefined;

/** Packs the package once for the whole run. */
export async function setup(project: TestProject): Promise<void> {
  home = await mkdtemp(join(tmpdir(), 'supapush-packed-'));
  await chmod(home, 0o711);
  project.provide('archive', await packProject(home));
}

export async function teardown(): Promise<void> {
  if (home) await rm(home, { recursive: true, force: true });
}

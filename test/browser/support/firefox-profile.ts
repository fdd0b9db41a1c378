import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { findBrowser } from './find-browser.ts';
import { startFirefox } from './firefox.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A profile to begin with a copy of, as `startFirefox` takes it; undefined where Firefox is not installed. */
    firefoxProfile: string | undefined;
  }
}

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/supapush/', import.meta.url));
const NAME = 'firefox-profile-';
/** What says that a Firefox has the profile now. */
const LOCKS = ['lock', '.parentlock', 'parent.lock'];

/** Makes a profile once per Firefox, kept beside the packages: the first start of one costs twice as much as any later. */
export async function setup(project: TestProject): Promise<void> {
  let executable: string | undefined;
  try {
    executable = findBrowser('firefox');
  } catch {
    // Tests that start it say so.
  }
  project.provide('firefoxProfile', executable === undefined ? undefined : await firefoxProfile(executable));
}

async function firefoxProfile(executable: string): Promise<string> {
  const { size, mtimeMs } = statSync(executable);
  const made = createHash('sha256').update(`${executable} ${size} ${mtimeMs}`).digest('hex').slice(0, 16);
  const place = join(CACHE, NAME + made);
  if (existsSync(place)) return place;
  mkdirSync(CACHE, { recursive: true });
  const kept = readdirSync(CACHE).filter((entry) => entry.startsWith(NAME));
  const beside = mkdtempSync(join(CACHE, 'making-'));
  const firefox = await startFirefox({ webSocketUrl: 'ws://127.0.0.1:9/' });
  try {
    await firefox.quit();
    cpSync(firefox.profile, beside, {
      recursive: true,
      filter: (source) => !LOCKS.includes(basename(source)),
    });
    // Another run may have been faster.
    if (!existsSync(place)) renameSync(beside, place);
  } finally {
    await firefox.dispose();
    for (const folder of [beside, ...kept.map((entry) => join(CACHE, entry))])
      rmSync(folder, { recursive: true, force: true });
  }
  return place;
}

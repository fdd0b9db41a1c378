import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type Change, planFile } from './change.ts';
import type { Project } from './find-project.ts';
import { InitRefusal } from './refusal.ts';
import type { Release, ReleasedMigration } from './release.ts';
import { keyOf, objectsAfter } from './sql-objects.ts';

// The names that `supabase migration up` takes for migrations.
const MIGRATION_NAME = /^(\d+)_(.*)\.sql$/;
const OURS = /_supapush_\d+_\d+_\d+\w*\.sql$/;

interface Migrations {
  folder: string;
  /** All of the project's, by name, in their order. */
  files: string[];
  /** For each release that the project has, its change; it is there already. */
  there: Map<string, Change>;
}

/**
 * The migrations of this package, one of each release, stamped after the newest of the app, as `supabase db push` wants them; those
 * that are there already are found by their names.
 *
 * Throws `other_release` where there are those of another release, and `objects_taken` where the app's own migrations make what
 * ours make.
 */
export async function planMigrations(project: Project, release: Release, now: Date): Promise<Change[]> {
  const found = await readMigrations(project, release);
  const { there } = found;
  const newest = release.migrations.at(-1)?.version ?? '';
  if (there.size > 0 && !there.has(newest)) {
    const [installed] = [...there.keys()].slice(-1);
    throw new InitRefusal(
      'other_release',
      `This project has Supapush ${installed}, and this package is ${release.version}. Run: npx supapush upgrade`,
    );
  }
  if (there.size > 0) return [...there.values()];
  return await addMigrations(project, release.migrations, found, now);
}

/**
 * The migrations that a project of an earlier release is missing, after the newest that it has, and those that it has.
 *
 * Throws `not_installed` where it has none, and what `planMigrations` throws.
 */
export async function planLaterMigrations(
  project: Project,
  release: Release,
  now: Date,
): Promise<{ from: string; changes: Change[] }> {
  const found = await readMigrations(project, release);
  const from = [...found.there.keys()].at(-1);
  if (from === undefined) {
    throw new InitRefusal(
      'not_installed',
      'This project has no migration of Supapush, so there is nothing to upgrade. Run: npx supapush init',
    );
  }
  const place = release.migrations.findIndex(({ version }) => version === from);
  const later = await addMigrations(project, release.migrations.slice(place + 1), found, now);
  return { from, changes: [...found.there.values(), ...later] };
}

async function readMigrations(project: Project, release: Release): Promise<Migrations> {
  const folder = join(project.root, 'supabase/migrations');
  const files = existsSync(folder)
    ? (await readdir(folder)).filter((name) => MIGRATION_NAME.test(name)).sort()
    : [];
  const unknown = new Set(files.filter((file) => OURS.test(file)));
  const there = new Map<string, Change>();
  for (const { version, sql } of release.migrations) {
    const file = files.find((one) => one.endsWith(`_${nameOf(version)}.sql`));
    if (file === undefined) continue;
    unknown.delete(file);
    const path = join(folder, file);
    const { offered: _, ...change } = planFile(path, await readFile(path, 'utf8'), sql, 'the schema');
    there.set(version, change);
  }
  if (unknown.size > 0) {
    throw new InitRefusal(
      'other_release',
      `This project has ${[...unknown].join(', ')}, and this package, ${release.version}, does not know that release. Install the newest: npm install supapush@latest`,
    );
  }
  return { folder, files, there };
}

async function addMigrations(
  project: Project,
  missing: readonly ReleasedMigration[],
  { folder, files }: Migrations,
  now: Date,
): Promise<Change[]> {
  const own = files.filter((file) => !OURS.test(file));
  const migrations = await Promise.all(
    own.map(async (file) => ({ file, sql: await readFile(join(folder, file), 'utf8') })),
  );
  refuseTaken(project, folder, migrations, missing);
  const names = [...files];
  return missing.map(({ version, sql }) => {
    const why = `the schema of ${version}: one migration, after ${names.at(-1) ?? 'none of yours'}`;
    const name = `${stampAfter(names, now)}_${nameOf(version)}.sql`;
    names.push(name);
    return planFile(join(folder, name), null, sql, why);
  });
}

function nameOf(version: string): string {
  return `supapush_${version.replaceAll(/\W/g, '_')}`;
}

function refuseTaken(
  project: Project,
  folder: string,
  migrations: { file: string; sql: string }[],
  released: readonly ReleasedMigration[],
): void {
  const wanted = objectsAfter(released.map(({ sql }) => ({ file: '', sql })));
  const there = objectsAfter(migrations);
  const taken = [...wanted.values()].filter((one) => there.has(keyOf(one)));
  const [first] = taken;
  if (first === undefined) return;
  const list = taken.map((one) => {
    const { word, name, file } = there.get(keyOf(one)) ?? { ...one, file: '' };
    return `  ${word} ${name}, made by ${relative(project.repository, join(folder, file))}`;
  });
  const [, own = first.name] = first.name.split('.');
  throw new InitRefusal(
    'objects_taken',
    [
      'Your migrations make what Supapush makes as well:',
      ...list,
      `Nothing was written. Give each another name in a migration of your own, such as "alter ${first.word} ${first.name} rename to old_${own};", ` +
        'and change what uses it. Its rows stay. If these came with a copy of the migrations of Supapush, the schema is there already: keep to that way.',
    ].join('\n'),
  );
}

/**
 * A stamp whose file sorts after every other, as the Supabase CLI sorts them: the time in UTC, or the newest stamp and one. Throws
 * `no_later_stamp` where there is none, as after `9_first.sql`.
 */
export function stampAfter(files: readonly string[], now: Date): string {
  const newest = files.reduce((max, file) => (file > max ? file : max), '');
  const stamp = MIGRATION_NAME.exec(newest)?.[1] ?? '0';
  const candidates = [
    stampOf(now),
    secondAfter(stamp),
    (BigInt(stamp) + 1n).toString().padStart(stamp.length, '0'),
  ];
  const found = candidates.find((one) => one !== undefined && one !== stamp && `${one}_supapush` > newest);
  if (found === undefined) {
    throw new InitRefusal(
      'no_later_stamp',
      `No migration can sort after ${newest}. Give it an earlier number, and run init again.`,
    );
  }
  return found;
}

function secondAfter(stamp: string): string | undefined {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(stamp) ?? [];
  if (second === undefined) return undefined;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : stampOf(new Date(time + 1000));
}

function stampOf(time: Date): string {
  return time.toISOString().replaceAll(/\D/g, '').slice(0, 14);
}

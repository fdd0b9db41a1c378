import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type Change, planFile } from './change.ts';
import type { Project } from './find-project.ts';
import { InitRefusal } from './refusal.ts';
import type { Release, ReleasedMigration } from './release.ts';
import { keyOf, objectsAfter } from './sql-objects.ts';
import {
  findTakeOver,
  isTakeOverOf,
  OUR_MIGRATION,
  subscriptionTables,
  type TakeOver,
  type TakeOverWish,
  takeOverNotes,
  takesOver,
  withTakeOver,
} from './take-over.ts';

// The names that `supabase migration up` takes for migrations.
const MIGRATION_NAME = /^(\d+)_(.*)\.sql$/;
const UNINSTALL = /_supapush_uninstall\.sql$/;

/**
 * The migrations of a project by their names, in their order; those of Supapush that no later one takes back; and whether there
 * was ever one.
 */
export async function readMigrations({
  root,
}: Project): Promise<{ files: string[]; ours: string[]; ever: boolean }> {
  const folder = join(root, 'supabase/migrations');
  const files = existsSync(folder)
    ? (await readdir(folder)).filter((name) => MIGRATION_NAME.test(name)).sort()
    : [];
  const from = files.findLastIndex((file) => UNINSTALL.test(file)) + 1;
  return {
    files,
    ours: files.slice(from).filter((file) => OUR_MIGRATION.test(file)),
    ever: files.some((file) => OUR_MIGRATION.test(file)),
  };
}

/** What the migration of a release is called behind its stamp. */
export function migrationName({ version }: Pick<Release, 'version'>): string {
  return `supapush_${version.replaceAll(/\W/g, '_')}`;
}

interface Found {
  /** All migrations of the project, by name, in their order. */
  files: string[];
  /** For each release that the project has, its change; it is there already. */
  there: Map<string, Change>;
}

/** Migrations to be written, and what a person has to know of them. */
export interface MigrationsPlan {
  changes: Change[];
  left: string[];
}

const NOTHING: MigrationsPlan = { changes: [], left: [] };

/**
 * The migrations of this package, one of each release, stamped after the newest of the app, as `supabase db push` wants them; those
 * that are there already are found by their names.
 *
 * Throws `other_release` where there are those of another release, `objects_taken` where the app's own migrations make what ours
 * make, and `take_over_refused` where the table whose rows they are to take over is none.
 *
 * @param takeOver the table of the app with push subscriptions whose rows are copied
 */
export async function planMigrations(
  project: Project,
  release: Release,
  now: Date,
  takeOver?: TakeOverWish,
): Promise<MigrationsPlan> {
  const found = await findReleases(project, release);
  const { there } = found;
  const newest = release.migrations.at(-1)?.version ?? '';
  if (there.size > 0 && !there.has(newest)) {
    const [installed] = [...there.keys()].slice(-1);
    throw new InitRefusal(
      'other_release',
      `This project has Supapush ${installed}, and this package is ${release.version}. Run: npx supapush upgrade`,
    );
  }
  if (there.size > 0) {
    const later = takeOver === undefined ? NOTHING : await addTakeOver(project, found, now, takeOver);
    return { changes: [...there.values(), ...later.changes], left: later.left };
  }
  return await addMigrations(project, release.migrations, found, now, takeOver);
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
  const found = await findReleases(project, release);
  const from = [...found.there.keys()].at(-1);
  if (from === undefined) {
    throw new InitRefusal(
      'not_installed',
      'This project has no migration of Supapush, so there is nothing to upgrade. Run: npx supapush init',
    );
  }
  const place = release.migrations.findIndex(({ version }) => version === from);
  const missing = release.migrations.slice(place + 1);
  const later = missing.length === 0 ? [] : (await addMigrations(project, missing, found, now)).changes;
  return { from, changes: [...found.there.values(), ...later] };
}

async function findReleases(project: Project, release: Release): Promise<Found> {
  const { files, ours } = await readMigrations(project);
  const unknown = new Set(ours);
  const there = new Map<string, Change>();
  for (const { version, sql } of release.migrations) {
    const file = ours.find((one) => one.endsWith(`_${migrationName({ version })}.sql`));
    if (file === undefined) continue;
    unknown.delete(file);
    const path = join(project.root, 'supabase/migrations', file);
    const text = await readFile(path, 'utf8');
    const { offered: _, ...change } = planFile(
      path,
      text,
      isTakeOverOf(text, sql) ? text : sql,
      'the schema',
    );
    there.set(version, change);
  }
  if (unknown.size > 0) {
    throw new InitRefusal(
      'other_release',
      `This project has ${[...unknown].join(', ')}, and this package, ${release.version}, does not know that release. Install the newest package.`,
    );
  }
  return { files, there };
}

const textsOf = (folder: string, files: readonly string[]) =>
  Promise.all(files.map(async (file) => ({ file, sql: await readFile(join(folder, file), 'utf8') })));

/** Where the schema is there already: a migration that copies the rows of a table, unless there is one. */
async function addTakeOver(
  project: Project,
  { files }: Found,
  now: Date,
  given: TakeOverWish,
): Promise<MigrationsPlan> {
  const folder = join(project.root, 'supabase/migrations');
  const migrations = await textsOf(folder, files);
  const installed = migrations.slice(files.findLastIndex((file) => UNINSTALL.test(file)) + 1);
  if (installed.some(({ sql }) => takesOver(sql, given.table))) return NOTHING;
  const takeOver = findTakeOver(migrations, given);
  if (takeOver.renamed !== undefined) {
    throw new InitRefusal(
      'take_over_refused',
      `--take-over: ${takeOver.table} is the table of Supapush, whose migration is there already. Nothing was written.`,
    );
  }
  const path = join(folder, `${stampAfter(files, now)}_supapush_take_over.sql`);
  const why = `the rows of ${takeOver.table} become devices, after ${files.at(-1)}`;
  return {
    changes: [planFile(path, null, withTakeOver('', takeOver).trimStart(), why)],
    left: takeOverNotes(takeOver, migrations),
  };
}

async function addMigrations(
  project: Project,
  missing: readonly ReleasedMigration[],
  { files }: Found,
  now: Date,
  takeOver?: TakeOverWish,
): Promise<MigrationsPlan> {
  const folder = join(project.root, 'supabase/migrations');
  const migrations = await textsOf(folder, files);
  const found = takeOver === undefined ? undefined : findTakeOver(migrations, takeOver);
  refuseTaken(project, folder, migrations, missing, found);
  const names = [...files];
  const changes = missing.map(({ version, sql }, place) => {
    const why = `the schema of ${version}: one migration, after ${names.at(-1) ?? 'none of yours'}`;
    const name = `${stampAfter(names, now)}_${migrationName({ version })}.sql`;
    names.push(name);
    // Rows are copied once the first release has made the table.
    return found !== undefined && place === 0
      ? planFile(
          join(folder, name),
          null,
          withTakeOver(sql, found),
          `${why}; it takes over the rows of ${found.table}`,
        )
      : planFile(join(folder, name), null, sql, why);
  });
  return { changes, left: found === undefined ? offers(migrations) : takeOverNotes(found, migrations) };
}

function offers(migrations: { file: string; sql: string }[]): string[] {
  return subscriptionTables(migrations).map(
    (table) =>
      `${table} looks like push subscriptions of yours. To take its rows over, now or later: npx supapush init --take-over ${table}`,
  );
}

function refuseTaken(
  project: Project,
  folder: string,
  migrations: { file: string; sql: string }[],
  released: readonly ReleasedMigration[],
  takeOver: TakeOver | undefined,
): void {
  const wanted = objectsAfter(released.map(({ sql }) => ({ file: '', sql })));
  const there = objectsAfter(migrations);
  const isRenamed = ({ name }: { name: string }) =>
    takeOver?.renamed !== undefined && name === takeOver.table;
  const taken = [...wanted.values()].filter((one) => {
    const { file } = there.get(keyOf(one)) ?? {};
    // What earlier ones of ours made, an uninstall has taken back.
    return file !== undefined && !OUR_MIGRATION.test(file) && !isRenamed(one);
  });
  const [first] = taken;
  if (first === undefined) return;
  const list = taken.map((one) => {
    const { word, name, file } = there.get(keyOf(one)) ?? { ...one, file: '' };
    return `  ${word} ${name}, made by ${relative(project.repository, join(folder, file))}`;
  });
  const [, own = first.name] = first.name.split('.');
  // Only this one is given another name.
  const known = subscriptionTables(migrations).find(
    (table) => table === 'public.push_subscriptions' && taken.some(({ name }) => name === table),
  );
  throw new InitRefusal(
    'objects_taken',
    [
      'Your migrations make what Supapush makes as well:',
      ...list,
      `Nothing was written. Give each another name in a migration of your own, such as "alter ${first.word} ${first.name} rename to old_${own};", ` +
        'and change what uses it. Its rows stay. If these came with a copy of the migrations of Supapush, the schema is there already: keep to that way.',
      ...(known === undefined
        ? []
        : [
            `Or let the migration give ${known} another name and copy its rows, as devices that stay reachable: npx supapush init --take-over ${known}`,
          ]),
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

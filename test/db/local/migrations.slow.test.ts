import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyMigrations, applySeed } from '../../../tools/local/postgres/migrations.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const FIRST = `-- two tables; one comment
create table public.a (id int);
create function public.f() returns void language plpgsql as $f$ begin null; end; $f$;
create table public.b (id int) -- inside
;
-- at the end
`;
let database: TestDatabase;
let project: string;
let directory: string;

beforeEach(async () => {
  database = await createTestDatabase({ migrations: false });
  project = await mkdtemp(join(tmpdir(), 'supapush-test-'));
  directory = join(project, 'supabase', 'migrations');
  await mkdir(directory, { recursive: true });
  await writeFile(join(project, 'supabase', 'config.toml'), 'project_id = "test"\n');
});
afterEach(async () => {
  await database.drop();
  await rm(project, { recursive: true, force: true });
});

const write = (name: string, text: string) => writeFile(join(directory, name), text);
const apply = (url = database.url) => applyMigrations({ url, directory });
const record = (from = database) =>
  from.sql`select version, name, statements from supabase_migrations.schema_migrations order by version`;

/** The real CLI, as a user would run it against any Postgres. */
async function migrationUp(url: string): Promise<string> {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve('supabase/package.json');
  const { bin } = require(manifest) as { bin: Record<string, string> };
  const program = join(dirname(manifest), bin.supabase ?? '');
  const run = promisify(execFile)(
    process.execPath,
    [program, 'migration', 'up', '--db-url', `${url}?sslmode=disable`],
    { cwd: project, env: { ...process.env, SUPABASE_TELEMETRY_DISABLED: '1' } },
  );
  const { stdout, stderr } = await run;
  return stdout + stderr;
}

test('a migration that fails upon others that have changed since says so, and how to start over', async () => {
  await write('20260101000001_first.sql', FIRST);
  await write('20260101000002_second.sql', 'create table public.c (id int);');
  await apply();
  await write('20260101000003_third.sql', 'create table public.c (id int);');
  await expect(apply()).rejects.toThrow(expect.not.stringContaining('Changed'));
  await write('20260101000002_second.sql', '-- it is made below');
  await expect(apply()).rejects.toMatchObject({
    code: 'migration_failed',
    message: expect.stringMatching(
      /^20260101000003_third.sql:1: .*already exists.*Changed since .*: 20260101000002_second.sql\n.* --reset$/s,
    ),
  });
});

test('a migration that makes what a file that is gone has made says so', async () => {
  await write('20260101000002_second.sql', 'create table public.c (id int);');
  await apply();
  await rm(join(directory, '20260101000002_second.sql'));
  await write('20260101000003_third.sql', 'create table public.c (id int);');
  await expect(apply()).rejects.toMatchObject({
    message: expect.stringMatching(/already exists.*no longer among the files: 20260101000002\n.* --reset$/s),
  });
});

test('migrations are applied in order, as postgres, and only once', async () => {
  await write('20260101000002_second.sql', 'insert into public.a values (1);');
  await write('20260101000001_first.sql', FIRST);
  await write('notes.sql', 'this is no migration');
  expect(await apply()).toEqual(['20260101000001_first.sql', '20260101000002_second.sql']);
  expect(await apply()).toEqual([]);
  await write('20260101000003_third.sql', 'insert into public.a values (2);');
  expect(await apply()).toEqual(['20260101000003_third.sql']);
  const [table] = await database.sql`
    select tableowner, (select count(*)::int from public.a) as rows from pg_tables where tablename = 'a'
  `;
  expect(table).toEqual({ tableowner: 'postgres', rows: 2 });
});

test('the record is the one the Supabase CLI makes, and neither applies what the other has applied', async () => {
  await write('20260101000001_first.sql', FIRST);
  await write('20260101000002_second.sql', 'create extension if not exists pg_net;\n\nselect 1;');
  await apply();
  expect(await migrationUp(database.url)).toContain('up to date');

  const other = await createTestDatabase({ migrations: false });
  try {
    expect(await migrationUp(other.url)).toContain('Applying migration 20260101000002_second.sql');
    expect(await apply(other.url)).toEqual([]);
    expect(await record(other)).toEqual(await record());
  } finally {
    await other.drop();
  }
});

test.each([
  ['a syntax error', 'select 1;\n\nselect\n  2 3;\n', ':4:'],
  ['an error without a position', 'select 1;\n\n-- why\ncreate table auth.users (id int);', ':4:'],
  ['an error behind characters outside the BMP', "select '🔔';\nselect '🔔🔔🔔', nothing;", ':2:'],
])('%s names file and line and leaves nothing of the migration', async (_, script, place) => {
  await write('20260101000001_first.sql', FIRST);
  await write('20260101000002_bad.sql', `create table public.half (id int); ${script}`);
  await expect(apply()).rejects.toMatchObject({
    name: 'LocalStackError',
    code: 'migration_failed',
    message: expect.stringContaining(`20260101000002_bad.sql${place}`),
  });
  expect((await record()).map(({ version }) => version)).toEqual(['20260101000001']);
  const [half] = await database.sql`select to_regclass('public.half') as name`;
  expect(half?.name).toBeNull();
});

test('a folder that does not exist holds no migrations', async () => {
  expect(await applyMigrations({ url: database.url, directory: join(project, 'nowhere') })).toEqual([]);
});

test('a seed runs as a whole or not at all, and may be missing', async () => {
  const file = join(project, 'supabase', 'seed.sql');
  expect(await applySeed({ url: database.url, file })).toBe(false);
  await writeFile(file, 'create table public.seeded (id int); insert into public.seeded values (1), (2);');
  expect(await applySeed({ url: database.url, file })).toBe(true);
  expect(await database.sql`select from public.seeded`).toHaveLength(2);
  await cp(file, `${file}.bad`);
  await writeFile(`${file}.bad`, 'delete from public.seeded;\nselect 1/0;');
  await expect(applySeed({ url: database.url, file: `${file}.bad` })).rejects.toMatchObject({
    code: 'migration_failed',
    message: expect.stringContaining('seed.sql.bad:2: division by zero'),
  });
  expect(await database.sql`select from public.seeded`).toHaveLength(2);
});

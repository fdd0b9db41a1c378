import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { BILLING_STARTER } from '../../support/look-alikes/billing-starter.ts';
import { CHAT_APP } from '../../support/look-alikes/chat-app.ts';
import { MULTI_TENANT_KIT } from '../../support/look-alikes/multi-tenant-kit.ts';
import { type LocalProcess, startProcess } from './local-process.ts';
import { makeProject, type ProjectFiles, type TempProject } from './temp-project.ts';

// supapush dev in look-alikes of projects that exist in public. Each has what stopped a local stack in one of those.

const SUPAPUSH = fileURLToPath(new URL('../../../src/cli/supapush.ts', import.meta.url));

type Status = Record<'API_URL' | 'DB_URL' | 'PUBLISHABLE_KEY' | 'ANON_KEY' | 'SERVICE_ROLE_KEY', string>;

async function project(files: ProjectFiles): Promise<TempProject> {
  const made = await makeProject(files);
  onTestFinished(made.remove);
  return made;
}

function dev({ directory }: TempProject, ...args: string[]): LocalProcess {
  const started = startProcess(process.execPath, [SUPAPUSH, 'dev', '--workdir', directory, ...args]);
  onTestFinished(async () => {
    started.child.kill('SIGKILL');
    await started.ended;
  });
  return started;
}

async function query(status: Status, text: string): Promise<unknown[]> {
  const sql = postgres(status.DB_URL, { max: 1, onnotice: () => undefined });
  try {
    return [...(await sql.unsafe(text))];
  } finally {
    await sql.end();
  }
}

const said = ({ stderr }: LocalProcess): string => stderr.join('\n');

test('a billing starter: its tables are open as the CLI opens them, and its seeded user signs in', async () => {
  const app = await project(BILLING_STARTER);
  const before = await readdir(app.directory);
  const started = dev(app, '--json');
  const status = (await started.ready()) as Status;
  for (const key of [status.PUBLISHABLE_KEY, status.ANON_KEY]) {
    const { data, error } = await createClient(status.API_URL, key).from('plans').select('name, active');
    expect([error, data]).toEqual([null, [{ name: 'Pro', active: true }]]);
  }
  const anna = createClient(status.API_URL, status.PUBLISHABLE_KEY);
  const { error } = await anna.auth.signInWithPassword({
    email: 'anna@example.com',
    password: 'password123',
  });
  expect(error).toBeNull();
  expect((await anna.from('profiles').select('full_name')).data).toEqual([{ full_name: 'Anna' }]);
  const service = createClient(status.API_URL, status.SERVICE_ROLE_KEY);
  expect(
    (await service.from('profiles').update({ full_name: 'A' }).neq('full_name', '').select()).data,
  ).toEqual([expect.objectContaining({ updated_at: expect.any(String) })]);
  expect(said(started)).toContain('auto_expose_new_tables');

  started.child.kill('SIGINT');
  expect(await started.ended).toBe(0);
  // Of the project nothing has changed but for a folder that git ignores by itself.
  expect(await readdir(app.directory)).toEqual(expect.arrayContaining(before));
  expect((await readdir(app.directory)).filter((name) => !before.includes(name))).toEqual(['.supapush']);
});

test('a kit for teams: functions that do not start are named, and the others serve with their secrets', async () => {
  const started = dev(await project(MULTI_TENANT_KIT), '--json');
  const status = (await started.ready()) as Status;
  const members = await fetch(`${status.API_URL}/functions/v1/members`);
  expect(await members.json()).toEqual({
    TEAM_SECRET: 'of the file',
    FROM_CONFIG: 'written there',
    SUPABASE_URL: status.API_URL,
    SUPABASE_ANON_KEY: status.ANON_KEY,
    SUPABASE_SERVICE_ROLE_KEY: status.SERVICE_ROLE_KEY,
    SUPABASE_OWN: null,
  });
  const old = await fetch(`${status.API_URL}/functions/v1/before-deno-serve`, {
    method: 'POST',
    body: 'this',
  });
  expect(await old.text()).toBe('got this');
  expect(said(started)).toMatch(/from-elsewhere: .*ended[\s\S]*deno\.invalid/);
  expect(said(started)).toMatch(/needs-a-secret: .*ended[\s\S]*NOT_THERE is not set/);
  expect(said(started)).toContain('PostgreSQL 15');
  expect(said(started)).toContain('SUPABASE_OWN');

  await query(status, `insert into public.teams (name) values ('Acme')`);
  await eventually(
    () => query(status, 'select from net._http_response'),
    (answers) => answers.length === 1,
  );
  const [made] = await query(
    status,
    `select storage.filename('a/b.png') as file, relrowsecurity as secured, (select count(*)::int from cron.job) as jobs
     from storage.buckets, pg_class where relname = 'made_later'`,
  );
  expect(made).toEqual({ file: 'b.png', secured: true, jobs: 1 });
});

test('a chat app of 60 migrations: missing extensions are named first, then left out with what needs them', async () => {
  const app = await project(CHAT_APP);
  const refused = dev(app, '--json');
  expect(await refused.ended).toBe(1);
  expect(refused.stdout).toEqual([]);
  for (const line of [
    'pg_graphql  20230101000000_remote_schema.sql:6',
    'pgjwt       20230101000000_remote_schema.sql:9',
    'http        20230101000000_remote_schema.sql:11',
    'vector      20230103000000_search.sql:2',
    '--skip-missing',
  ])
    expect(said(refused)).toContain(line);
  expect(said(refused)).not.toContain('pg_stat_statements');

  const started = dev(app, '--json', '--skip-missing');
  const status = (await started.ready()) as Status;
  expect(said(started)).toContain('Left out, 8 statements:');
  expect(said(started)).toContain('20230103000000_search.sql:3: create table embeddings');
  expect(said(started)).toContain('seed.sql:3: insert into embeddings');
  const [counted] = await query(
    status,
    `select (select count(*)::int from supabase_migrations.schema_migrations) as migrations,
       (select count(*)::int from realtime.messages where topic = 'room:general') as told,
       (select count(*) > 0 from extensions.pg_stat_statements) as statements`,
  );
  expect(counted).toEqual({ migrations: 60, told: 1, statements: true });
  const { data } = await createClient(status.API_URL, status.PUBLISHABLE_KEY).from('messages').select('body');
  expect(data).toEqual([{ body: 'Hello' }]);
});

test('a migration that fails is named with its statement, leaves nothing, and those before it stay', async () => {
  const app = await project({
    'migrations/1_first.sql': 'create table public.first (id int);',
    'migrations/2_second.sql': `create table public.second (id int);\n\ncreate table public.first (id int);`,
  });
  const failed = dev(app);
  expect(await failed.ended).toBe(1);
  expect(said(failed)).toContain('2_second.sql:3: relation "first" already exists (SQLSTATE 42P07)');
  expect(said(failed)).toContain('in: create table public.first (id int)');
  expect(existsSync(join(app.directory, '.supapush/dev/lock.json'))).toBe(false);

  await app.write({ 'migrations/2_second.sql': 'create table public.second (id int);' });
  const started = dev(app, '--json');
  const status = (await started.ready()) as Status;
  expect(await query(status, 'select version from supabase_migrations.schema_migrations order by 1')).toEqual(
    [{ version: '1' }, { version: '2' }],
  );
});

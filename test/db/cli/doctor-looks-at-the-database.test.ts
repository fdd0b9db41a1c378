import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runChecks } from '../../../src/cli/doctor/check.ts';
import { DATABASE_CHECKS, schemaFindings } from '../../../src/cli/doctor/database.ts';
import type { DatabaseFacts } from '../../../src/cli/doctor/database-facts.ts';
import { generateVapidPair } from '../../../src/cli/vapid-pair.ts';
import { createTestDatabase, createUser, type TestDatabase } from '../../support/postgres.ts';
import { subscribe } from '../../support/subscriptions.ts';
import { writeUnderAnotherKey } from '../../support/vault.ts';

const PROJECT_URL = 'https://abcdefghijklmnopqrst.supabase.co';
const PAIR = generateVapidPair();
const BELL_SECRET = randomBytes(32).toString('base64url');
const SECRETS: Record<string, string> = {
  PUSH_BELL_SECRET: BELL_SECRET,
  VAPID_PUBLIC_KEY: PAIR.publicKey,
  VAPID_PRIVATE_KEY: PAIR.privateKey,
};

// One for each test: what is planted is not taken back.
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
  const { sql } = database;
  await sql`select push.connect(${PROJECT_URL}, ${BELL_SECRET}, ${PAIR.publicKey})`;
  await sql`
    insert into cron.job_run_details (jobid, runid, status, start_time)
    select jobid, 1, 'succeeded', now() from cron.job where jobname = 'supapush-tick'`;
});
afterEach(() => database.drop());

async function look(changes: Partial<DatabaseFacts> = {}, fix = false) {
  const facts = {
    sql: database.sql,
    version: '0.1.0',
    setting: (name: string) => SECRETS[name],
    file: '.env',
    projectUrl: PROJECT_URL,
    now: Date.now,
    ...changes,
  };
  const report = await runChecks('database', DATABASE_CHECKS, facts, fix);
  const findings = report.checks.flatMap((check) => check.findings);
  const text = JSON.stringify(findings);
  for (const secret of [BELL_SECRET, PAIR.privateKey]) expect(text).not.toContain(secret);
  for (const { cure } of findings) expect(cure.length).toBeGreaterThan(5);
  return { findings, fixed: report.fixed };
}

const asSuperuser = async (statement: string) => {
  const admin = postgres(database.superuserUrl, { max: 1, onnotice: () => {} });
  try {
    await admin.unsafe(statement);
  } finally {
    await admin.end();
  }
};

test('a database that is connected and ticks is all right', async () => {
  expect(await look()).toEqual({ findings: [], fixed: [] });
  expect(await schemaFindings(database.sql)).toEqual([]);
});

test.each<[string, () => unknown, string, RegExp]>([
  [
    'no entries in the Vault',
    () => database.sql`delete from vault.secrets`,
    'bell_not_connected',
    /^npm run connect$/,
  ],
  [
    'a Vault that does not decrypt',
    () => writeUnderAnotherKey(database, 'push_bell_secret'),
    'vault_unreadable',
    /^npm run connect$/,
  ],
  [
    'another secret than that of the file',
    () => database.sql`select push.connect(${PROJECT_URL}, ${'another'.repeat(6)}, ${PAIR.publicKey})`,
    'bell_secret_differs',
    /^npm run connect$/,
  ],
  [
    'no VAPID key',
    () => database.sql`update push.settings set vapid_public_key = null where id`,
    'vapid_key_missing',
    /connect/,
  ],
  [
    'another VAPID key than that of the file',
    () => database.sql`update push.settings set vapid_public_key = ${generateVapidPair().publicKey} where id`,
    'vapid_key_differs',
    /connect/,
  ],
  [
    'devices that need a key which the file has not',
    async () => {
      const user = await createUser(database.sql);
      await subscribe(database.sql, user.id, { vapid_key: generateVapidPair().publicKey });
    },
    'vapid_key_lost',
    /VAPID_PREVIOUS_KEYS/,
  ],
  [
    'an extension that is missing',
    () => asSuperuser('drop extension pg_net cascade'),
    'extension_missing',
    /connect/,
  ],
  [
    'a job that is missing',
    () => database.sql`select cron.unschedule('supapush-clean')`,
    'job_missing',
    /doctor -- --fix/,
  ],
  [
    'a job that is switched off',
    () =>
      database.sql`select cron.alter_job(jobid, active => false) from cron.job where jobname = 'supapush-alerts'`,
    'job_missing',
    /doctor -- --fix/,
  ],
  [
    'a tick that does not run',
    () => database.sql`update cron.job_run_details set start_time = now() - interval '1 hour'`,
    'tick_missing',
    /job_run_details/,
  ],
  [
    'a job that fails',
    () => database.sql`
      insert into cron.job_run_details (jobid, runid, status, return_message, start_time, end_time)
      select j.jobid, r.last + n, 'failed', 'ERROR: x', now(), now()
      from cron.job as j, generate_series(1, 3) as n, (select coalesce(max(runid), 0) as last from cron.job_run_details) as r
      where j.jobname = 'supapush-clean'`,
    'job_failing',
    /job_run_details/,
  ],
  [
    'schemas of the Data API without public',
    () =>
      asSuperuser(
        `alter role authenticator in database ${database.name} set pgrst.db_schemas = 'api, storage'`,
      ),
    'schema_not_exposed',
    /'public, api, storage'/,
  ],
  [
    'few rows of the Data API',
    () => asSuperuser(`alter role authenticator in database ${database.name} set pgrst.db_max_rows = '5'`),
    'max_rows_few',
    /pgrst\.db_max_rows/,
  ],
  [
    'an alarm',
    () =>
      database.sql`select push.raise_alarm('bell_failed', '', 'Calling push-dispatch failed: x. Run: npx supapush connect')`,
    'bell_failed',
    /^npx supapush connect$/,
  ],
  ['a pause', () => database.sql`select push.pause('wrong prices')`, 'paused', /push\.resume/],
  [
    'a backlog',
    async () => {
      const user = await createUser(database.sql);
      await subscribe(database.sql, user.id);
      await database.sql`select push.notify(${user.id}::uuid, 'Hello')`;
      await database.sql`update push.queue set due_at = now() - interval '1 hour' where true`;
    },
    'backlog_old',
    /status/,
  ],
])('%s is found, and nothing else', async (_, plant, code, cure) => {
  await plant();
  const { findings } = await look();
  expect(findings.map((finding) => finding.code)).toEqual([code]);
  expect(findings[0]?.cure).toMatch(cure);
});

test('a key that was rotated and is kept is none that is lost', async () => {
  const older = generateVapidPair();
  const user = await createUser(database.sql);
  await subscribe(database.sql, user.id, { vapid_key: older.publicKey });
  const settings: Record<string, string> = { ...SECRETS, VAPID_PREVIOUS_KEYS: JSON.stringify([older]) };
  expect((await look({ setting: (name) => settings[name] })).findings).toEqual([]);
});

test('a database that calls another project, and one that is a copy', async () => {
  const other = 'https://tsrqponmlkjihgfedcba.supabase.co';
  expect((await look({ projectUrl: other })).findings).toMatchObject([
    {
      code: 'project_differs',
      cure: expect.stringMatching(/--database-url of https:\/\/tsrq.*, or --project-url https:\/\/abcd/),
    },
  ]);
  expect((await look({ projectUrl: other, isLinked: true })).findings).toHaveLength(1);
  // Secrets of the one are not to be compared with the Vault of the other: the cure would put them there.
  const foreign = await look({
    projectUrl: other,
    setting: (name) => (name === 'PUSH_BELL_SECRET' ? 'x'.repeat(43) : undefined),
  });
  expect(foreign.findings.map(({ code }) => code)).toEqual(['project_differs']);
  await database.sql`select push.connect(${other}, ${BELL_SECRET})`;
  expect((await look({ projectUrl: other })).findings).toMatchObject([
    {
      code: 'copied_project',
      message: expect.stringContaining(PROJECT_URL),
      cure: expect.stringContaining('--adopt'),
    },
  ]);
});

test.each(['https://api.example.com', 'http://kong:8000'])(
  'a linked project is no other one than %s, and connecting anew keeps that',
  async (url) => {
    const { sql } = database;
    await sql`delete from push.project`;
    await sql`select push.connect(${url}, ${'another'.repeat(6)}, ${PAIR.publicKey})`;
    expect((await look({ isLinked: true })).findings).toMatchObject([
      { code: 'bell_secret_differs', cure: `npm run connect -- --project-url ${url}` },
    ]);
  },
);

test('--fix brings the jobs back, and says which', async () => {
  const { sql } = database;
  await sql`select cron.unschedule('supapush-clean')`;
  await sql`select cron.alter_job(jobid, active => false) from cron.job where jobname = 'supapush-alerts'`;
  expect((await look()).findings).toHaveLength(2);
  expect(await look({}, true)).toEqual({
    findings: [],
    fixed: ['The job supapush-clean was made again.', 'The job supapush-alerts was switched on.'],
  });
  expect(await look({}, true)).toEqual({ findings: [], fixed: [] });
});

test('clocks that differ by more than a minute', async () => {
  expect((await look({ now: () => Date.now() + 50_000 })).findings).toEqual([]);
  expect((await look({ now: () => Date.now() + 90_000 })).findings).toMatchObject([
    {
      code: 'clock_differs',
      message: expect.stringMatching(/behind that of this machine by (89|90) seconds/),
    },
  ]);
  expect((await look({ now: () => Date.now() - 3_600_000 })).findings).toMatchObject([
    { code: 'clock_differs', message: expect.stringContaining('ahead of') },
  ]);
});

test('a schema of another release', async () => {
  const { sql } = database;
  await sql`
    create or replace function push.version() returns text language sql stable set search_path = '' as $$ select '0.0.9' $$`;
  expect((await look()).findings).toMatchObject([
    {
      code: 'schema_of_other_release',
      message: expect.stringContaining('0.0.9'),
      cure: expect.stringContaining('db push'),
    },
  ]);
});

test('a check that fails is a finding, and the others go on', async () => {
  await database.sql`drop function push.vapid_key_usage()`;
  await database.sql`select cron.unschedule('supapush-clean')`;
  expect((await look()).findings.map(({ code }) => code)).toEqual(['check_failed', 'job_missing']);
});

test('a database without Supapush', async () => {
  const empty = await createTestDatabase({ migrations: false });
  try {
    expect(await schemaFindings(empty.sql)).toMatchObject([
      { code: 'schema_missing', cure: 'npx supabase db push' },
    ]);
  } finally {
    await empty.drop();
  }
});

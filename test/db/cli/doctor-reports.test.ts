import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { command } from '../../../src/cli/doctor.ts';
import { generateVapidPair } from '../../../src/cli/vapid-pair.ts';
import { called } from '../../support/command.ts';
import { createTestDatabase } from '../../support/postgres.ts';
import { useDatabase } from '../../support/use-database.ts';

// The whole command, in the folder of a clone: there is no package beside it that was built.

const db = useDatabase();
const PAIR = generateVapidPair();
const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';
const FILES = {
  'supabase/config.toml': ['dispatch', 'events', 'health', 'quotes']
    .map((name) => `[functions.push-${name}]\nverify_jwt = false\n`)
    .join('\n'),
  'supabase/functions/push-dispatch/index.ts': "import '../../../src/server/functions/push-dispatch.ts';\n",
  '.gitignore': '.env\n',
  '.env': [
    'VAPID_SUBJECT=mailto:push@example.com',
    `VAPID_PUBLIC_KEY=${PAIR.publicKey}`,
    `VAPID_PRIVATE_KEY=${PAIR.privateKey}`,
    `PUSH_BELL_SECRET=${BELL_SECRET}\n`,
  ].join('\n'),
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'supapush-doctor-'));
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text, { mode: 0o600 });
  }
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Report {
  ok: boolean;
  findings: { part: string; check: string; code: string; message: string; cure: string }[];
  parts: { part: string; checks: { name: string; findings: number }[]; skipped: string | null }[];
  fixed: string[];
}

async function doctor(...args: string[]) {
  const { text, exitCode } = await called(command, '--workdir', folder, '--json', ...args);
  const report = JSON.parse(text) as Report;
  return { ...report, exitCode, text, codes: report.findings.map(({ code }) => code) };
}

test('a part in which nothing is wrong: exit code 0, and what was looked at', async () => {
  const { ok, exitCode, parts } = await doctor('--only', 'folder', '--only', 'app');
  expect([ok, exitCode]).toEqual([true, 0]);
  expect(parts).toMatchObject([
    {
      part: 'folder',
      checks: [{ name: 'config.toml', findings: 0 }, { name: '.gitignore' }, { name: 'the secrets' }],
    },
    { part: 'app', checks: [], skipped: 'give --app-url' },
  ]);
  const { text } = await called(command, '--workdir', folder, '--only', 'folder');
  expect(text.split('\n')).toEqual([
    `Supapush 0.1.0 in ${folder}`,
    '',
    'folder     ok, 3 checks',
    '',
    'Nothing wrong was found.',
  ]);
});

test('what is wrong, with its cure: exit code 1; what a caller knows of does not count', async () => {
  await writeFile(join(folder, '.gitignore'), '');
  const { text, exitCode } = await called(command, '--workdir', folder, '--only', 'folder');
  expect(exitCode).toBe(1);
  expect(text.split('\n').slice(2)).toEqual([
    'folder     1 finding, 3 checks',
    '',
    '  secrets_not_ignored',
    '    git does not ignore .env: the next commit of everything takes the secrets along.',
    "    → echo '.env' >> .gitignore",
    '',
    '1 finding.',
  ]);
  const ignoring = ['--workdir', folder, '--only', 'folder', '--ignore', 'secrets_not_ignored'];
  const known = await called(command, ...ignoring);
  expect(known.exitCode).toBe(0);
  expect(known.text).toContain('ignored: secrets_not_ignored');
  expect(JSON.parse((await called(command, ...ignoring, '--json')).text)).toMatchObject({
    ok: true,
    findings: [],
  });
});

test('what was not named cannot be looked at, which is a finding', async () => {
  const { codes, exitCode } = await doctor();
  expect(exitCode).toBe(1);
  expect(codes).toEqual(['database_unknown', 'project_unknown']);
});

test('what does not answer is a finding, and shows no secret', async () => {
  const { codes, text, findings } = await doctor(
    ...['--database-url', 'postgresql://postgres:p4ss-word@127.0.0.1:1/postgres'],
    ...['--project-url', 'http://127.0.0.1:1', '--app-url', 'http://127.0.0.1:1'],
  );
  expect(codes).toEqual([
    'database_unreachable',
    ...Array.from({ length: 4 }, () => 'function_unreachable'),
    'app_unreachable',
  ]);
  expect(findings[0]?.message).toContain('ECONNREFUSED 127.0.0.1:1');
  for (const secret of ['p4ss-word', BELL_SECRET, PAIR.privateKey]) expect(text).not.toContain(secret);
});

test('a database without Supapush stops the look at it', async () => {
  const empty = await createTestDatabase({ migrations: false });
  try {
    const { codes } = await doctor('--only', 'database', '--database-url', empty.url);
    expect(codes).toEqual(['schema_missing']);
  } finally {
    await empty.drop();
  }
});

test('a secret that something quotes is not printed', async () => {
  const { sql, url } = db();
  await sql`select push.raise_alarm('bell_failed', '', ${`it said: ${BELL_SECRET}`})`;
  const { findings, text } = await doctor('--only', 'database', '--database-url', url);
  expect(findings.find(({ code }) => code === 'bell_failed')?.message).toBe('it said: …');
  expect(text).not.toContain(BELL_SECRET);
  const plain = await called(command, '--workdir', folder, '--only', 'database', '--database-url', url);
  expect(plain.text).not.toContain(BELL_SECRET);
});

test('--fix mends what it can, and says so', async () => {
  const { sql, url } = db();
  await sql`select push.connect('https://abcdefghijklmnopqrst.supabase.co', ${BELL_SECRET}, ${PAIR.publicKey})`;
  await sql`select cron.unschedule('supapush-clean')`;
  const args = ['--only', 'database', '--database-url', url];
  expect((await doctor(...args)).codes).toContain('job_missing');
  const fixed = await doctor(...args, '--fix');
  expect(fixed.codes).not.toContain('job_missing');
  expect(fixed.fixed).toEqual(['The job supapush-clean was made again.']);
});

test('without a project URL the one that the database calls is meant', async () => {
  const { sql, url } = db();
  await sql`delete from push.project`;
  await sql`select push.connect('http://127.0.0.1:1', ${BELL_SECRET}, ${PAIR.publicKey})`;
  // pg_net has no worker here.
  await sql`drop extension pg_net cascade`;
  const { findings } = await doctor('--only', 'functions', '--database-url', url);
  expect(findings[0]).toMatchObject({
    code: 'function_unreachable',
    message: expect.stringContaining('http://127.0.0.1:1/functions/v1/push-dispatch'),
  });
});

test.each([
  ['--only', 'moon'],
  ['--app-url', 'example.com'],
  ['--project-url', 'abcdefghijklmnopqrst'],
  ['--database-url', 'mysql://x'],
])('%s %s is called wrongly', async (...args) => {
  await expect(doctor(...args)).rejects.toMatchObject({ code: 'usage' });
});

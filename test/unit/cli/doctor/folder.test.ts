import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runChecks } from '../../../../src/cli/doctor/check.ts';
import { FOLDER_CHECKS, type FolderFacts } from '../../../../src/cli/doctor/folder.ts';
import { SECRET_CHECKS } from '../../../../src/cli/doctor/secrets.ts';
import { SECRETS_FILE } from '../../../../src/cli/environment-file.ts';
import { findProject } from '../../../../src/cli/init/find-project.ts';
import { RECORD, takeBackInterrupted } from '../../../../src/cli/init/interrupted-run.ts';
import { writeChanges } from '../../../../src/cli/init/write-changes.ts';
import { readSettings } from '../../../../src/cli/open-database.ts';
import { generateVapidPair } from '../../../../src/cli/vapid-pair.ts';
import { CONFIG, type LookAlike, released, withLookAlike } from '../init/look-alike.ts';

const MIGRATION = 'supabase/migrations/20261129120000_supapush_0_1_0.sql';
const APP = {
  'supabase/config.toml': `${CONFIG}\n[api]\nschemas = ["public"]\nmax_rows = 1000\n`,
  'package.json': '{ "devDependencies": { "vite": "8" } }',
};
const PAIR = generateVapidPair();
const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';
const secretsWith = (changes: Record<string, string | undefined> = {}) =>
  Object.entries({
    VAPID_SUBJECT: 'mailto:push@example.com',
    VAPID_PUBLIC_KEY: PAIR.publicKey,
    VAPID_PRIVATE_KEY: PAIR.privateKey,
    PUSH_BELL_SECRET: BELL_SECRET,
    ...changes,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

/** An app that init has been in, with its secrets. */
function withApp<T>(work: (app: LookAlike) => Promise<T>, files: Record<string, string> = {}): Promise<T> {
  return withLookAlike({ ...APP, ...files }, async (app) => {
    writeChanges((await app.plan()).changes);
    await app.write(SECRETS_FILE, secretsWith());
    chmodSync(join(app.folder, SECRETS_FILE), 0o600);
    return await work(app);
  });
}

/** What doctor finds in the folder. */
async function findings({ folder }: LookAlike, changes: Partial<FolderFacts> = {}) {
  const project = await findProject(folder);
  const facts = {
    project,
    release: released(),
    publicFolder: undefined,
    worker: true,
    isAppAsked: false,
    ...changes,
  };
  const setting = await readSettings(join(folder, SECRETS_FILE));
  const reports = [
    await runChecks('folder', FOLDER_CHECKS, facts),
    await runChecks('folder', SECRET_CHECKS, { project, file: SECRETS_FILE, setting }),
  ];
  return reports.flatMap(({ checks }) => checks.flatMap((check) => check.findings));
}

const codes = async (app: LookAlike, changes: Partial<FolderFacts> = {}) =>
  (await findings(app, changes)).map(({ code }) => code);

test('a folder that init has been in, with its secrets, is all right', async () => {
  await withApp(async (app) => {
    expect(await findings(app)).toEqual([]);
  });
});

test('a run that was killed is told of, until the next one has taken it back', async () => {
  await withApp(async (app) => {
    await app.write(RECORD, '{"files":[],"folders":[]}\n');
    expect(await findings(app)).toMatchObject([
      { code: 'run_interrupted', cure: expect.stringContaining('npx supapush init') },
    ]);
    takeBackInterrupted(await findProject(app.folder));
    expect(await findings(app)).toEqual([]);
  });
});

test('before init everything is missing, and the cure is init', async () => {
  await withLookAlike(APP, async (app) => {
    const found = await findings(app);
    expect(new Set(found.map(({ code }) => code))).toEqual(
      new Set([
        'function_verifies_jwt',
        'migration_missing',
        'function_file_missing',
        'worker_missing',
        'secrets_not_ignored',
        'secrets_missing',
      ]),
    );
    expect(found.filter(({ cure }) => cure === 'npx supapush init').length).toBeGreaterThan(8);
  });
});

test.each<[string, string, (text: string) => string, string, RegExp]>([
  ['no TOML', 'supabase/config.toml', () => 'project_id =', 'config_unreadable', /cannot be read/],
  [
    'a function that demands a token',
    'supabase/config.toml',
    (text) =>
      text.replace('[functions.push-one]\nverify_jwt = false', '[functions.push-one]\nverify_jwt = true'),
    'function_verifies_jwt',
    /push-one/,
  ],
  [
    'a Data API without public',
    'supabase/config.toml',
    (text) => text.replace('["public"]', '["api"]'),
    'schema_not_exposed',
    /leaves out public/,
  ],
  [
    'a Data API that hands over few rows',
    'supabase/config.toml',
    (text) => text.replace('max_rows = 1000', 'max_rows = 3'),
    'max_rows_few',
    /at most 3 rows/,
  ],
  ['a migration that was changed', MIGRATION, (text) => `${text}-- mine\n`, 'migration_changed', /0\.1\.0/],
  [
    'a bundle of another release',
    'supabase/functions/push-two/supapush.js',
    () => 'export const serve = null;\n',
    'function_of_other_release',
    /push-two\/supapush\.js/,
  ],
  [
    'an entrypoint that serves something else',
    'supabase/functions/push-two/index.ts',
    () => "Deno.serve(() => new Response('hello'));\n",
    'function_serves_another',
    /push-two\/index\.ts/,
  ],
  [
    'a service worker of another release',
    'public/sw.js',
    (text) => `${text}// older\n`,
    'worker_of_other_release',
    /public\/sw\.js/,
  ],
  [
    'a service worker that was replaced by the app’s own',
    'public/sw.js',
    () => 'self.onfetch = null;\n',
    'worker_not_loaded',
    /does not load/,
  ],
  ['no line in .gitignore', '.gitignore', () => 'node_modules\n', 'secrets_not_ignored', /does not ignore/],
  [
    'half a VAPID pair',
    SECRETS_FILE,
    () => secretsWith({ VAPID_PRIVATE_KEY: undefined }),
    'secrets_missing',
    /^VAPID_PRIVATE_KEY is neither/,
  ],
  [
    'keys of two pairs',
    SECRETS_FILE,
    () => secretsWith({ VAPID_PRIVATE_KEY: generateVapidPair().privateKey }),
    'vapid_keys_invalid',
    /no pair/,
  ],
  [
    'a subject that push services refuse',
    SECRETS_FILE,
    () => secretsWith({ VAPID_SUBJECT: 'me' }),
    'vapid_subject_invalid',
    /VAPID_SUBJECT/,
  ],
  [
    'a secret that is too short',
    SECRETS_FILE,
    () => secretsWith({ PUSH_BELL_SECRET: 'short-secret' }),
    'bell_secret_invalid',
    /at least 32/,
  ],
])('%s is found, and nothing else', async (_, path, change, code, message) => {
  await withApp(async (app) => {
    const { [path]: text = '' } = await app.read();
    await app.write(path, change(text));
    const found = await findings(app);
    // What the app's own worker lacks beside it is missing as well.
    const others = code === 'worker_not_loaded' ? ['worker_missing'] : [];
    expect(found.map((finding) => finding.code).filter((one) => !others.includes(one))).toEqual([code]);
    const finding = found.find((one) => one.code === code);
    expect(finding?.message).toMatch(message);
    expect(finding?.cure.length).toBeGreaterThan(5);
    for (const secret of [PAIR.privateKey, BELL_SECRET, 'short-secret'])
      expect(JSON.stringify(found)).not.toContain(secret);
  });
});

test('the cure of an entrypoint that serves something else removes nothing', async () => {
  await withApp(async (app) => {
    await app.write('supabase/functions/push-two/index.ts', 'mine();\n');
    expect(await findings(app)).toMatchObject([
      {
        code: 'function_serves_another',
        cure: expect.stringMatching(/^Import \.\/supapush\.js in .*push-two\/serve\.ts/),
      },
    ]);
  });
});

test.each([
  ['supabase/functions/push-one/index.ts', 'function_file_missing'],
  ['supabase/functions/push-one/supapush.js', 'function_file_missing'],
  ['public/sw.js', 'worker_missing'],
  [MIGRATION, 'migration_missing'],
  [SECRETS_FILE, 'secrets_missing'],
])('without %s there is %s', async (path, code) => {
  await withApp(async (app) => {
    execFileSync('rm', [join(app.folder, path)]);
    expect(await codes(app)).toEqual([code]);
  });
});

test('a migration of another release, and a function of the app’s own under our name, are said in the words of init', async () => {
  await withApp(async (app) => {
    execFileSync('mv', [join(app.folder, MIGRATION), join(app.folder, MIGRATION.replace('0_1_0', '0_0_9'))]);
    expect(await findings(app)).toMatchObject([{ code: 'other_release', cure: 'npx supapush upgrade' }]);
  });
  await withLookAlike({ ...APP, 'supabase/functions/push-one/index.ts': 'mine();\n' }, async (app) => {
    expect(await codes(app)).toContain('function_taken');
  });
  await withLookAlike(
    { ...APP, 'supabase/migrations/20260101000000_a.sql': 'create table public.push_quotes ();\n' },
    async (app) => {
      expect(await codes(app)).toContain('objects_taken');
    },
  );
});

test('git is asked what it ignores, and what it keeps', async () => {
  const git = (folder: string, ...args: string[]) =>
    execFileSync('git', args, { cwd: folder, stdio: 'ignore' });
  await withApp(async (app) => {
    git(app.folder, 'init');
    await app.write('.gitignore', '.env*\n');
    expect(await codes(app)).toEqual([]);
    await app.write('.gitignore', 'node_modules\n');
    expect(await codes(app)).toEqual(['secrets_not_ignored']);
    git(app.folder, 'add', SECRETS_FILE);
    expect(await findings(app)).toMatchObject([
      { code: 'secrets_in_git', cure: expect.stringContaining(`git rm --cached '${SECRETS_FILE}'`) },
    ]);
  });
});

test('others may not read the secrets', async () => {
  await withApp(async (app) => {
    chmodSync(join(app.folder, SECRETS_FILE), 0o644);
    expect(await findings(app)).toMatchObject([
      { code: 'secrets_readable', cure: `chmod 600 '${SECRETS_FILE}'` },
    ]);
  });
});

test('a worker that is left out, and a clone, are not looked at for what they do not have', async () => {
  await withApp(async (app) => {
    execFileSync('rm', [join(app.folder, 'public/sw.js')]);
    expect(await codes(app, { worker: false })).toEqual([]);
  });
  await withLookAlike(APP, async (app) => {
    const found = await codes(app, { release: null });
    expect(new Set(found)).toEqual(
      new Set(['function_verifies_jwt', 'secrets_not_ignored', 'secrets_missing']),
    );
  });
});

import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { useDatabase } from '../../support/use-database.ts';
import { runCli } from './run-cli.ts';

const PROJECT_URL = 'https://abcdefghijklmnopqrst.supabase.co';
const BELL_SECRET = 'a-bell-secret-of-more-than-32-characters';

const db = useDatabase();
let empty: TestDatabase;
beforeAll(async () => {
  empty = await createTestDatabase({ migrations: false });
});
afterAll(() => empty?.drop());

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'connect-test-'));
  await db().sql`delete from vault.secrets`;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const connect = (args: string[], env: Record<string, string> = {}) =>
  runCli('connect', args, { cwd: folder, env });
const writeEnv = (text: string, file = '.env') => writeFile(join(folder, file), text);
const vault = async () => {
  const rows = await db().sql<{ name: string; decrypted_secret: string }[]>`
    select name, decrypted_secret from vault.decrypted_secrets order by name`;
  return Object.fromEntries(rows.map((row) => [row.name, row.decrypted_secret]));
};
const CONNECTED = { push_bell_secret: BELL_SECRET, push_project_url: PROJECT_URL };

describe('npm run connect', () => {
  test('writes project URL and bell secret into the Vault, and prints no secret', async () => {
    await writeEnv(`PUSH_BELL_SECRET=${BELL_SECRET}\n`);
    const { code, stdout, stderr } = await connect([
      '--database-url',
      db().url,
      '--project-url',
      PROJECT_URL,
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`${PROJECT_URL}/functions/v1/push-dispatch`);
    expect(stdout).not.toContain(BELL_SECRET);
    expect(await vault()).toEqual(CONNECTED);
  });

  test('again changes nothing, and with another secret changes that', async () => {
    await writeEnv(`PUSH_BELL_SECRET=${BELL_SECRET}\n`);
    const args = ['--database-url', db().url, '--project-url', PROJECT_URL];
    await connect(args);
    expect((await connect(args)).code).toBe(0);
    expect(await vault()).toEqual(CONNECTED);
    const other = 'another-bell-secret-of-more-than-32-characters';
    expect((await connect(args, { PUSH_BELL_SECRET: other })).code).toBe(0);
    expect(await vault()).toEqual({ ...CONNECTED, push_bell_secret: other });
  });

  test('mends a restored database: a Vault that does not decrypt, jobs that are lost', async () => {
    const args = ['--database-url', db().url, '--project-url', PROJECT_URL];
    const env = { PUSH_BELL_SECRET: BELL_SECRET };
    const jobs = async () =>
      (await db().sql`select jobname from cron.job order by jobname`).map(({ jobname }) => jobname);
    await connect(args, env);
    const before = await jobs();
    expect(before).toContain('supapush-tick');
    const admin = postgres(db().superuserUrl, { max: 1 });
    await admin`update vault.secrets set secret = '*'`;
    await admin.end();
    await db().sql`select cron.unschedule(jobid) from cron.job`;
    const { code, stderr } = await connect(args, env);
    expect([code, stderr]).toEqual([0, '']);
    expect(await vault()).toEqual(CONNECTED);
    expect(await jobs()).toEqual(before);
  });

  test('takes the database from .env and the project from supabase link', async () => {
    await writeEnv(`PUSH_BELL_SECRET=${BELL_SECRET}\nSUPABASE_DB_URL=${db().url}\n`, 'my.env');
    await mkdir(join(folder, 'supabase', '.temp'), { recursive: true });
    await writeFile(join(folder, 'supabase', '.temp', 'project-ref'), 'abcdefghijklmnopqrst\n');
    expect((await connect(['--file', 'my.env'])).code).toBe(0);
    expect(await vault()).toEqual(CONNECTED);
  });

  describe('in a copy of another project', () => {
    const env = { PUSH_BELL_SECRET: BELL_SECRET };
    const STAGING = 'https://tsrqponmlkjihgfedcba.supabase.co';
    const argsFor = (url: string) => ['--database-url', db().url, '--project-url', url];
    const project = async () => (await db().sql`select url, connected_url from push.project`)[0];
    beforeEach(async () => {
      await db().sql`delete from push.project`;
      await connect(argsFor(PROJECT_URL), env);
    });

    test('rings its own function, sends nothing, and says why, exit code 1', async () => {
      const { code, stdout, stderr } = await connect(argsFor(STAGING), env);
      expect([code, stdout]).toEqual([1, '']);
      for (const part of [STAGING, PROJECT_URL, '--adopt', 'push_subscriptions'])
        expect(stderr).toContain(part);
      expect(await vault()).toMatchObject({ push_project_url: STAGING });
      expect(await project()).toEqual({ url: PROJECT_URL, connected_url: STAGING });
    });

    test('adopts it where told to, and may discard what waits', async () => {
      const adopt = [...argsFor(STAGING), '--adopt', '--discard-older-than', '10 minutes'];
      const { code, stderr } = await connect(adopt, env);
      expect([code, stderr]).toEqual([0, '']);
      expect(await project()).toEqual({ url: STAGING, connected_url: STAGING });
      expect((await db().sql`select reason from push.pauses`)[0]?.reason).toBe(`adopted as ${STAGING}`);
    });

    test('an interval that is none changes nothing, exit code 1', async () => {
      const { code, stderr } = await connect(
        [...argsFor(STAGING), '--adopt', '--discard-older-than', 'a while'],
        env,
      );
      expect(code).toBe(1);
      expect(stderr).toContain('interval');
      expect(await project()).toEqual({ url: PROJECT_URL, connected_url: PROJECT_URL });
    });
  });

  test('may be told to adopt a new project as well', async () => {
    await db().sql`delete from push.project`;
    const args = ['--database-url', db().url, '--project-url', PROJECT_URL, '--adopt'];
    expect((await connect(args, { PUSH_BELL_SECRET: BELL_SECRET })).code).toBe(0);
  });

  test.each([
    ['without a secret', [], {}],
    ['without a database', ['--project-url', PROJECT_URL], { PUSH_BELL_SECRET: BELL_SECRET }],
    [
      'without a project',
      ['--database-url', 'postgresql://postgres@127.0.0.1:1/postgres'],
      { PUSH_BELL_SECRET: BELL_SECRET },
    ],
    [
      'with something else for a database',
      ['--database-url', 'db.example.com:5432', '--project-url', PROJECT_URL],
      { PUSH_BELL_SECRET: BELL_SECRET },
    ],
    [
      'with another kind of database',
      ['--database-url', 'mysql://127.0.0.1:1/x', '--project-url', PROJECT_URL],
      { PUSH_BELL_SECRET: BELL_SECRET },
    ],
    [
      'to discard without adopting',
      [
        '--database-url',
        'postgresql://postgres@127.0.0.1:1/postgres',
        '--project-url',
        PROJECT_URL,
        '--discard-older-than',
        '0',
      ],
      { PUSH_BELL_SECRET: BELL_SECRET },
    ],
    ['with an unknown option', ['--force'], { PUSH_BELL_SECRET: BELL_SECRET }],
  ])('called %s says how to call it, exit code 2', async (_, args, env: Record<string, string>) => {
    const { code, stdout, stderr } = await connect(args, env);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Usage: npm run connect');
    expect(stderr).not.toContain(BELL_SECRET);
  });

  test('on a database without the migrations says what to run, exit code 1', async () => {
    const { code, stdout, stderr } = await connect(
      ['--database-url', empty.url, '--project-url', PROJECT_URL],
      { PUSH_BELL_SECRET: BELL_SECRET },
    );
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe('This database does not have Supapush yet. Run: npx supabase db push\n');
  });

  test.each([
    ['a secret that is too short', { PUSH_BELL_SECRET: 'short' }, PROJECT_URL, '32 characters'],
    ['a project URL with a path', { PUSH_BELL_SECRET: BELL_SECRET }, `${PROJECT_URL}/x`, 'origin'],
    ['a project URL that is none', { PUSH_BELL_SECRET: BELL_SECRET }, 'abcdefghijklmnopqrst', 'origin'],
  ])('passes on what the database says of %s, exit code 1', async (_, env, projectUrl, said) => {
    const { code, stderr } = await connect(['--database-url', db().url, '--project-url', projectUrl], env);
    expect(code).toBe(1);
    expect(stderr).toContain(said);
    expect(stderr).not.toContain(env.PUSH_BELL_SECRET);
    expect(await vault()).toEqual({});
  });

  test.each([
    ['with a percent sign', '50%off'],
    ['with what looks like half an encoding', '%e4%zz'],
    ['with what ends a URL', 'p#a?s/s'],
    ['with an at', 'p@ss@word'],
    ['with digits before a slash', '5432/x'],
    ['that is encoded', 'p%40ss%25'],
  ])('a password %s is taken as it is: connection refused, and it is not shown', async (_, password) => {
    const { code, stderr } = await connect(
      [
        '--database-url',
        `postgresql://postgres:${password}@127.0.0.1:1/postgres`,
        '--project-url',
        PROJECT_URL,
      ],
      { PUSH_BELL_SECRET: BELL_SECRET },
    );
    expect(code).toBe(1);
    expect(stderr).toContain('ECONNREFUSED 127.0.0.1:1');
    expect(stderr).not.toContain(password);
  });

  test('a VAPID key in PEM is noted as browsers need it', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    await writeEnv(`PUSH_BELL_SECRET=${BELL_SECRET}\nVAPID_PUBLIC_KEY="${pem}"\n`);
    const { code, stderr } = await connect(['--database-url', db().url, '--project-url', PROJECT_URL]);
    expect([code, stderr]).toEqual([0, '']);
    const { x, y } = publicKey.export({ format: 'jwk' });
    const [row] = await db().sql`select vapid_public_key from push.settings`;
    expect(row?.vapid_public_key).toBe(
      Buffer.concat([
        Buffer.from([4]),
        Buffer.from(x ?? '', 'base64url'),
        Buffer.from(y ?? '', 'base64url'),
      ]).toString('base64url'),
    );
  });

  test('to a port where nothing answers says so without the password, exit code 1', async () => {
    const { code, stdout, stderr } = await connect(
      ['--database-url', 'postgresql://postgres:p4ssw0rd@127.0.0.1:1/postgres', '--project-url', PROJECT_URL],
      { PUSH_BELL_SECRET: BELL_SECRET },
    );
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('ECONNREFUSED');
    expect(stderr).not.toContain('p4ssw0rd');
    expect(stderr).not.toContain(BELL_SECRET);
  });

  test('--help tells how to call it, exit code 0', async () => {
    const { code, stdout } = await connect(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Usage: npm run connect');
  });
});

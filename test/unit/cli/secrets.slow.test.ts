import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseEnvironmentFile } from '../../../src/cli/environment-file.ts';
import { generateVapidPair } from '../../../src/cli/vapid-pair.ts';
import { importVapidKeys } from '../../../src/server/channels/webpush/vapid-keys.ts';
import { runCli } from './run-cli.ts';

const SUBJECT = 'mailto:push@example.com';
const NAMES = ['VAPID_SUBJECT', 'VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY', 'PUSH_BELL_SECRET'];

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secrets-test-'));
  file = join(folder, '.env');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const secrets = (...args: string[]) => runCli('secrets', args, { cwd: folder });
const entries = async () => parseEnvironmentFile(await readFile(file, 'utf8'));
const mode = async () => (await stat(file)).mode & 0o777;

describe('npm run secrets', () => {
  test('writes a working key pair and a bell secret into .env, for the owner’s eyes alone', async () => {
    const { code, stdout, stderr } = await secrets('--subject', SUBJECT);
    expect([code, stderr]).toEqual([0, '']);
    const made = await entries();
    expect(Object.keys(made).sort()).toEqual([...NAMES].sort());
    expect(made.VAPID_SUBJECT).toBe(SUBJECT);
    expect(made.PUSH_BELL_SECRET).toMatch(/^[\w-]{43}$/);
    const { VAPID_PUBLIC_KEY: publicKey = '', VAPID_PRIVATE_KEY: privateKey = '' } = made;
    await importVapidKeys({ publicKey, privateKey, subject: SUBJECT });
    expect(await mode()).toBe(0o600);
    expect(await readdir(folder), 'nothing else is left').toEqual(['.env']);
    expect(stdout).toContain(publicKey);
    expect(stdout).not.toContain(privateKey);
    expect(stdout).not.toContain(made.PUSH_BELL_SECRET);
  });

  test('makes other secrets each time', async () => {
    await secrets('--subject', SUBJECT);
    const first = await entries();
    await rm(file);
    await secrets('--subject', SUBJECT);
    const second = await entries();
    for (const name of NAMES.slice(1)) expect(second[name]).not.toBe(first[name]);
  });

  test('fills in a copy of .env.example, keeps its comments, and closes it to others', async () => {
    const example = await readFile(fileURLToPath(new URL('../../../.env.example', import.meta.url)), 'utf8');
    await writeFile(file, example, { mode: 0o644 });
    expect((await secrets('--subject', SUBJECT)).code).toBe(0);
    const text = await readFile(file, 'utf8');
    for (const name of NAMES) expect(text.match(new RegExp(`^${name}=.+$`, 'gm')), name).toHaveLength(1);
    const comments = (of: string) => of.split('\n').filter((line) => line.startsWith('#'));
    expect(comments(text)).toEqual(comments(example));
    expect(await mode()).toBe(0o600);
  });

  test('a second time changes nothing', async () => {
    await secrets('--subject', SUBJECT);
    const before = await readFile(file, 'utf8');
    const { code, stdout } = await secrets('--subject', 'mailto:somebody-else@example.com');
    expect(code).toBe(0);
    expect(stdout).toContain('nothing was changed');
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  test('adds what is missing and keeps what is there, without a line break at the end as well', async () => {
    await writeFile(file, `OTHER=1\nPUSH_BELL_SECRET=mine\nVAPID_SUBJECT=${SUBJECT}`);
    expect((await secrets()).code).toBe(0);
    expect(await readFile(file, 'utf8')).toMatch(
      new RegExp(
        `^OTHER=1\\nPUSH_BELL_SECRET=mine\\nVAPID_SUBJECT=${SUBJECT}\\nVAPID_PUBLIC_KEY=.+\\nVAPID_PRIVATE_KEY=.+\\n$`,
      ),
    );
  });

  test('never replaces a pair, and makes no second one beside it', async () => {
    await writeFile(file, 'VAPID_PUBLIC_KEY=one\nVAPID_PRIVATE_KEY="two"\n');
    const { code, stdout } = await secrets('--subject', SUBJECT);
    expect(code).toBe(0);
    expect(stdout).toContain('The public key, which clients read from the database: one');
    expect(await entries()).toMatchObject({ VAPID_PUBLIC_KEY: 'one', VAPID_PRIVATE_KEY: 'two' });
    expect(await readFile(file, 'utf8')).toContain('VAPID_PUBLIC_KEY=one\nVAPID_PRIVATE_KEY="two"\n');
  });

  test('--vapid-from keeps the pair of another file or of the environment, and refuses it beside another', async () => {
    const { publicKey, privateKey } = generateVapidPair();
    const given = { MY_VAPID_PUBLIC_KEY: publicKey, MY_VAPID_PRIVATE_KEY: privateKey };
    const args = ['--subject', SUBJECT, '--vapid-from', 'env'];
    const { code, stdout } = await runCli('secrets', args, { cwd: folder, env: given });
    expect(code).toBe(0);
    expect(stdout).not.toContain(privateKey);
    const made = await entries();
    expect(made).toMatchObject({ VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey });
    const other = join(folder, 'other');
    await writeFile(other, JSON.stringify(generateVapidPair()));
    const refused = await secrets('--subject', SUBJECT, '--vapid-from', other);
    expect([refused.code, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toContain('has another VAPID pair already');
    expect(await entries()).toEqual(made);
  });

  test.each(['VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY'])(
    'refuses half a pair (%s), exit code 2',
    async (name) => {
      await writeFile(file, `${name}=one-half\n`);
      const { code, stdout, stderr } = await secrets('--subject', SUBJECT);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(name);
      expect(stderr).not.toContain('one-half');
      expect(await readFile(file, 'utf8')).toBe(`${name}=one-half\n`);
    },
  );

  test('keeps a contact as it was given, dollar signs too', async () => {
    await writeFile(file, 'VAPID_SUBJECT=\n');
    const subject = "mailto:a$&b$'c@example.com";
    expect((await secrets('--subject', subject)).code).toBe(0);
    expect((await entries()).VAPID_SUBJECT).toBe(subject);
  });

  test('writes to the file it is told', async () => {
    expect((await secrets('--subject', SUBJECT, '--file', 'other.env')).code).toBe(0);
    expect(await readdir(folder)).toEqual(['other.env']);
  });

  test('makes no second pair where init has been and .env has one: it says what to move', async () => {
    await secrets('--subject', SUBJECT);
    const { VAPID_PRIVATE_KEY: key = '' } = await entries();
    const before = await readFile(file, 'utf8');
    await mkdir(join(folder, 'supabase/functions/push-dispatch'), { recursive: true });
    await writeFile(join(folder, 'supabase/functions/push-dispatch/supapush.js'), '');
    const chosen = 'supabase/functions/.env.supapush';

    const { code, stdout, stderr } = await secrets('--subject', SUBJECT);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`.env has a VAPID pair, and ${chosen} has none.`);
    expect(stderr).toContain(`move its lines ${[...NAMES].sort().join(', ')} to ${chosen}`);
    expect(stderr).not.toContain(key);
    expect(await readdir(join(folder, 'supabase/functions'))).toEqual(['push-dispatch']);
    expect(await readFile(file, 'utf8')).toBe(before);

    // Moved, it is the pair.
    await writeFile(join(folder, chosen), before);
    expect((await secrets()).stdout).toContain('nothing was changed');
    // A file that is named may have another.
    await rm(join(folder, chosen));
    expect((await secrets('--subject', SUBJECT, '--file', chosen)).code).toBe(0);
    expect(parseEnvironmentFile(await readFile(join(folder, chosen), 'utf8')).VAPID_PRIVATE_KEY).not.toBe(
      key,
    );
  });

  test('writes through a link', async () => {
    await mkdir(join(folder, 'kept'));
    await writeFile(join(folder, 'kept', 'env'), 'OTHER=1\n');
    await symlink(join('kept', 'env'), file);
    expect((await secrets('--subject', SUBJECT)).code).toBe(0);
    expect(await readFile(join(folder, 'kept', 'env'), 'utf8')).toContain('VAPID_PRIVATE_KEY=');
    expect(await readdir(join(folder, 'kept'))).toEqual(['env']);
  });

  test('a file that is there and cannot be read is left alone, exit code 1', async () => {
    await mkdir(file);
    await chmod(file, 0o700);
    const { code, stdout, stderr } = await secrets('--subject', SUBJECT);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('EISDIR');
    expect(await readdir(folder)).toEqual(['.env']);
  });

  test('a folder that is not there is an error, exit code 1', async () => {
    const { code, stderr } = await secrets('--subject', SUBJECT, '--file', 'nowhere/.env');
    expect(code).toBe(1);
    expect(stderr).toContain('ENOENT');
    expect(await readdir(folder)).toEqual([]);
  });

  test.each([
    ['without a contact', []],
    ['with an address that is no URL', ['--subject', 'push@example.com']],
    ['with a contact that push services refuse', ['--subject', 'https://localhost']],
    ['with a contact at home', ['--subject', 'mailto:you@mac.local']],
    ['with mailto: twice', ['--subject', 'mailto:mailto:you@example.com']],
    ['with a contact without a domain', ['--subject', 'https://myhost']],
    ['with an empty contact', ['--subject', '']],
    ['with an unknown option', ['--force']],
    ['with a word too many', ['now']],
    ['with an option without its value', ['--subject']],
  ])('called %s says how to call it, exit code 2', async (_, args) => {
    const { code, stdout, stderr } = await secrets(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Usage: npm run secrets');
    expect(await readdir(folder)).toEqual([]);
  });

  test('--help tells how to call it, exit code 0', async () => {
    const { code, stdout } = await secrets('--help');
    expect(code).toBe(0);
    expect(stdout).toContain('Usage: npm run secrets');
    expect(await readdir(folder)).toEqual([]);
  });
});

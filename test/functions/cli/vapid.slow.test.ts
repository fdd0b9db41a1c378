import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseEnvironmentFile } from '../../../src/cli/environment-file.ts';
import { readEnvironment } from '../../../src/server/functions/environment.ts';
import { createUser } from '../../support/postgres.ts';
import { createSubscription, subscribe } from '../../support/subscriptions.ts';
import { useDatabase } from '../../support/use-database.ts';

const run = promisify(execFile);
const SUPAPUSH = fileURLToPath(new URL('../../../src/cli/supapush.ts', import.meta.url));
const db = useDatabase();

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'supapush-vapid-'));
  file = join(folder, '.env');
  await node('secrets', '--subject', 'mailto:push@example.com');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const node = (command: string, ...rest: string[]) =>
  run(process.execPath, [SUPAPUSH, command, ...rest, '--file', file], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
  });
const entries = async () => parseEnvironmentFile(await readFile(file, 'utf8'));
const publicKey = async () => (await entries()).VAPID_PUBLIC_KEY as string;

/** The pairs as the function reads them from its environment. */
async function pairsOfTheFunction() {
  return readEnvironment({
    SUPABASE_URL: 'http://127.0.0.1:1',
    SUPABASE_SECRET_KEYS: '{"default":"sb_secret_x"}',
    ...(await entries()),
  }).vapid.map((pair) => pair.publicKey);
}

describe('rotate', () => {
  test('puts a new pair in front and keeps the others for the function', async () => {
    const first = await publicKey();
    await node('vapid', 'rotate');
    const second = await publicKey();
    await node('vapid', 'rotate');
    const third = await publicKey();
    expect(new Set([first, second, third]).size).toBe(3);
    expect(await pairsOfTheFunction()).toEqual([third, second, first]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('touches nothing else in the file', async () => {
    await writeFile(file, `# mine\nOTHER=1\n${await readFile(file, 'utf8')}`);
    const { PUSH_BELL_SECRET } = await entries();
    await node('vapid', 'rotate');
    expect(await entries()).toMatchObject({ OTHER: '1', PUSH_BELL_SECRET });
    expect(await readFile(file, 'utf8')).toContain('# mine\n');
  });

  test('keeps a pair that another library wrote in PEM, as the pair it is', async () => {
    const made = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x, y, d } = made.privateKey.export({ format: 'jwk' });
    const point = [Buffer.from([4]), Buffer.from(x ?? '', 'base64url'), Buffer.from(y ?? '', 'base64url')];
    const known = Buffer.concat(point).toString('base64url');
    const { PUSH_BELL_SECRET, VAPID_SUBJECT } = await entries();
    await writeFile(
      file,
      `VAPID_SUBJECT=${VAPID_SUBJECT}\nVAPID_PUBLIC_KEY="${made.publicKey.export({ type: 'spki', format: 'pem' })}"\n` +
        `VAPID_PRIVATE_KEY="${made.privateKey.export({ type: 'pkcs8', format: 'pem' })}"\nPUSH_BELL_SECRET=${PUSH_BELL_SECRET}\n`,
    );
    expect(await pairsOfTheFunction()).toEqual([known]);
    const { stdout } = await node('secrets');
    expect(stdout).not.toContain('PRIVATE');
    await node('vapid', 'rotate');
    expect(await pairsOfTheFunction()).toEqual([await publicKey(), known]);
    const { VAPID_PREVIOUS_KEYS, ...others } = await entries();
    expect(JSON.parse(VAPID_PREVIOUS_KEYS as string)).toEqual([{ publicKey: known, privateKey: d }]);
    expect(others).toMatchObject({ PUSH_BELL_SECRET, VAPID_SUBJECT });
    expect(await readFile(file, 'utf8')).not.toContain('-----');
  });

  test('never prints a private key', async () => {
    const { stdout } = await node('vapid', 'rotate');
    const { VAPID_PRIVATE_KEY, VAPID_PREVIOUS_KEYS } = await entries();
    expect(stdout).not.toContain(VAPID_PRIVATE_KEY);
    expect(stdout).not.toContain(JSON.parse(VAPID_PREVIOUS_KEYS as string)[0].privateKey);
  });
});

describe('retire', () => {
  test('keeps what a subscription needs, and removes the rest', async () => {
    const { sql, url } = db();
    const needed = await publicKey();
    await node('vapid', 'rotate');
    const idle = await publicKey();
    await node('vapid', 'rotate');
    const { id } = await createUser(sql);
    await subscribe(sql, id, { ...createSubscription(), vapid_key: needed } as never);

    await node('vapid', 'retire', '--database-url', url);
    expect(await pairsOfTheFunction()).toEqual([await publicKey(), needed]);
    expect((await node('vapid', 'list', '--database-url', url)).stdout).toContain(
      `${needed}  1 subscriptions`,
    );
    expect((await node('vapid')).stdout).not.toContain(idle);
  });

  test('keeps everything while a subscription does not remember its key', async () => {
    const { sql, url } = db();
    await sql`delete from auth.users`;
    await node('vapid', 'rotate');
    const { id } = await createUser(sql);
    await subscribe(sql, id);
    expect((await node('vapid', 'retire', '--database-url', url)).stdout).toContain('Nothing to retire');
  });

  test('asks for the database, exit code 2', async () => {
    await expect(node('vapid', 'retire')).rejects.toMatchObject({ code: 2 });
  });
});

test('a new subscription remembers the key that connect noted', async () => {
  const { sql, url } = db();
  await sql`delete from auth.users`;
  await node('connect', '--database-url', url, '--project-url', 'https://abcdefghijklmnopqrst.supabase.co');
  const { id } = await createUser(sql);
  await subscribe(sql, id);
  const [row] = await sql`select vapid_key from public.push_subscriptions`;
  expect(row?.vapid_key).toBe(await publicKey());
});

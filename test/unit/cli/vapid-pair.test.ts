import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateVapidPair, readVapidPair, type VapidPair } from '../../../src/cli/vapid-pair.ts';
import { importVapidKeys } from '../../../src/server/channels/webpush/vapid-keys.ts';

test('a new pair is one that functions import, and each is another', async () => {
  const pairs = [generateVapidPair(), generateVapidPair()];
  for (const pair of pairs) await importVapidKeys({ ...pair, subject: 'mailto:push@example.com' });
  expect(new Set(pairs.flatMap(({ publicKey, privateKey }) => [publicKey, privateKey])).size).toBe(4);
});

test('both halves have their full length, also where the private one begins with zeros', () => {
  // One of 256 does.
  const pairs = Array.from({ length: 3000 }, generateVapidPair);
  expect(
    new Set(pairs.map(({ publicKey, privateKey }) => [publicKey.length, privateKey.length].join())),
  ).toEqual(new Set(['87,43']));
  expect(pairs.some(({ privateKey }) => privateKey.startsWith('A'))).toBe(true);
});

const pem = (base64Url: string) => Buffer.from(base64Url, 'base64url').toString('base64');

test.each<[form: string, text: (pair: VapidPair) => string]>([
  [
    'a .env file',
    ({ publicKey, privateKey }) => `VAPID_PUBLIC_KEY=${publicKey}\nVAPID_PRIVATE_KEY="${privateKey}"\n`,
  ],
  [
    'names of a framework, and the public key twice',
    ({ publicKey, privateKey }) =>
      `NEXT_PUBLIC_VAPID_PUBLIC_KEY=${publicKey}\nVAPID_PUBLIC_KEY=${pem(publicKey)}\nWEB_PUSH_VAPID_PRIVATE_KEY=${pem(privateKey)}\n`,
  ],
  ['what web-push printed', (pair) => `${JSON.stringify(pair)}\n`],
])('a pair that exists is read from %s', async (_, text) => {
  await withFile(async (file) => {
    const pair = generateVapidPair();
    await writeFile(file, text(pair));
    expect(await readVapidPair(file)).toEqual(pair);
  });
});

test('halves that do not belong together, several, or none are refused without being shown', async () => {
  await withFile(async (file) => {
    const [one, two] = [generateVapidPair(), generateVapidPair()];
    const refused = async (text: string) => {
      await writeFile(file, text);
      const error = await readVapidPair(file).then(
        () => null,
        (reason: Error) => reason,
      );
      expect(error?.message).not.toContain(one.privateKey);
      return error?.message;
    };
    expect(
      await refused(`VAPID_PUBLIC_KEY=${two.publicKey}\nVAPID_PRIVATE_KEY=${one.privateKey}\n`),
    ).toContain('do not belong together');
    expect(
      await refused(
        `VAPID_PUBLIC_KEY=${one.publicKey}\nOLD_VAPID_PUBLIC_KEY=${two.publicKey}\nVAPID_PRIVATE_KEY=${one.privateKey}\n`,
      ),
    ).toContain('several VAPID keys');
    expect(await refused(`VAPID_PRIVATE_KEY=${one.privateKey}\n`)).toContain('has no VAPID pair');
    expect(await refused(`VAPID_PUBLIC_KEY=${one.publicKey}\nVAPID_PRIVATE_KEY=short\n`)).toContain(
      'do not belong together',
    );
  });
});

async function withFile(work: (file: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vapid-pair-test-'));
  try {
    await work(join(folder, 'keys'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

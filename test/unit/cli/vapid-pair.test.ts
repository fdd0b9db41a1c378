import { expect, test } from 'vitest';
import { generateVapidPair } from '../../../src/cli/vapid-pair.ts';
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

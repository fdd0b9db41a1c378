import { beforeEach, expect, test } from 'vitest';
import { claimOne, clearQueue, queueOne, setSetting, startOfClock } from '../../support/queue.ts';
import { refusalOf } from '../../support/refusal.ts';
import { useDatabase } from '../../support/use-database.ts';

const db = useDatabase();
beforeEach(() => clearQueue(db().sql));

test('the claim hands over where the app is', async () => {
  const { sql } = db();
  await setSetting(sql, 'app_url', 'https://app.example.com');
  await queueOne(sql);
  expect(await claimOne(sql, startOfClock())).toMatchObject({ app_url: 'https://app.example.com' });
});

test.each([
  'https://app.example.com',
  'https://example.com:8443',
  'http://localhost:5173',
  'http://127.0.0.1:3000',
])('%s is an origin', async (url) => {
  await setSetting(db().sql, 'app_url', url);
});

test.each([
  'https://app.example.com/',
  'https://app.example.com/app',
  'http://app.example.com',
  'https://App.example.com',
  'https://user@example.com',
  'https://example.com?x',
  'https://example.com\\@evil.example',
  'https://',
  'https://.example',
  'https://a..b',
  'https://app.example.com:65536',
  'https://app.example.com:0',
  'javascript:alert(1)',
  'https://a.example\nhttps://b.example',
  '//example.com',
  '',
  `https://${'a'.repeat(200)}.example`,
])('%j is none', async (url) => {
  expect((await refusalOf(setSetting(db().sql, 'app_url', url))).sqlstate).toBe('23514');
});

import { expect, test } from 'vitest';
import { createRateLimit } from '../../../src/server/functions/rate-limit.ts';

test('each key passes so often within a window, and again in the next', () => {
  let now = 0;
  const pass = createRateLimit({ limit: 2, windowMs: 1000, now: () => now });
  expect([pass('a'), pass('a'), pass('a'), pass('b')]).toEqual([true, true, false, true]);
  now = 999;
  expect(pass('a')).toBe(false);
  now = 1000;
  expect([pass('a'), pass('a'), pass('a')]).toEqual([true, true, false]);
});

test('keys that are not known yet do not fill the memory', () => {
  const pass = createRateLimit({ limit: 1, windowMs: 1000, maxKeys: 10, now: () => 0 });
  expect(pass('a')).toBe(true);
  expect(pass('a')).toBe(false);
  for (let index = 0; index < 10; index += 1) pass(`k${index}`);
  // Forgotten, rather than kept for ever.
  expect(pass('a')).toBe(true);
});

import { expect, test } from 'vitest';
import { databaseUrlOf } from '../../../src/cli/database-url.ts';
import { SupapushError } from '../../../src/shared/errors.ts';

const HOST = 'db.example.com:5432/postgres?sslmode=require';

test.each([
  `postgresql://postgres:secret@${HOST}`,
  `postgres://postgres.abcdefghijklmnopqrst:p%40ss%25@${HOST}`,
  `postgresql://postgres@${HOST}`,
  `postgresql://${HOST}`,
  'postgresql://postgres:secret@[::1]:5432/postgres',
  `postgresql://postgres:secret@${HOST}&options=a@b`,
])('%s stays as it is', (url) => {
  expect(databaseUrlOf(url)).toBe(url);
});

test.each([
  '50%off',
  '100%',
  '%e4%zz',
  'p#ss',
  'p?ss',
  'p/ss',
  'p@ss',
  '12/ss',
  '12#ss',
  '12?ss',
  'p:a:s',
  'a%#/@?b',
  'ü%',
  'p ss%',
])('a password of %j is read as it was given', (password) => {
  const url = new URL(databaseUrlOf(`postgresql://postgres:${password}@${HOST}`));
  expect(decodeURIComponent(url.password)).toBe(password);
  expect([url.username, url.host, url.pathname, url.search]).toEqual([
    'postgres',
    'db.example.com:5432',
    '/postgres',
    '?sslmode=require',
  ]);
});

test.each([
  '',
  'db.example.com:5432',
  'mysql://a:secret@b/x',
  'postgresql://a:secret@b:99999/x',
  'postgresql://a:secret%@b:x/y',
])('%j is none, and the error shows no password', (given) => {
  let error: unknown;
  try {
    databaseUrlOf(given);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(SupapushError);
  expect(error).toMatchObject({ code: 'usage' });
  expect(String(error)).not.toContain('secret');
});

import { expect, test } from 'vitest';
import { isAnother, projectToAsk } from '../../../../src/cli/doctor/which-project.ts';

const LINKED = 'https://abcdefghijklmnopqrst.supabase.co';
const OTHER = 'https://tsrqponmlkjihgfedcba.supabase.co';

test.each([
  ['the same', LINKED, false, LINKED],
  ['another hosted project', OTHER, true, LINKED],
  ['a domain of its own', 'https://api.example.com', false, 'https://api.example.com'],
  ['a local stack', 'http://127.0.0.1:54321', false, 'http://127.0.0.1:54321'],
  ['not known', null, false, LINKED],
])('of a linked project, a database that calls %s', (_, databases, another, asked) => {
  const meant = { projectUrl: LINKED, isLinked: true };
  expect(isAnother(databases, meant)).toBe(another);
  expect(projectToAsk(databases, meant)).toBe(asked);
});

test('a project that a person names is that one', () => {
  const meant = { projectUrl: LINKED };
  expect([isAnother('https://api.example.com', meant), isAnother(LINKED, meant)]).toEqual([true, false]);
  expect(projectToAsk('https://api.example.com', meant)).toBe(LINKED);
  expect(projectToAsk(OTHER, { projectUrl: undefined })).toBe(OTHER);
  expect(projectToAsk(null, { projectUrl: undefined })).toBeUndefined();
});

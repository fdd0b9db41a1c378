import { parse } from 'smol-toml';
import { expect, test } from 'vitest';
import { faultsOf, withFunctions } from '../../../../src/cli/init/config-toml.ts';
import { InitRefusal } from '../../../../src/cli/init/refusal.ts';
import { released } from './look-alike.ts';

const { functions } = released();
const patch = (text: string) => withFunctions(text, functions);
const OWN = { 'push-one': { verify_jwt: false }, 'push-two': { verify_jwt: false } };

test.each([
  ['an ordinary file', '# mine\nproject_id = "app" # here\n\n[api]\nport = 54321\n'],
  ['one without a last line end', 'project_id = "app"\n[functions.hello]\nverify_jwt = true'],
  ['one of Windows', '# mine\r\nproject_id = "app"\r\n[functions.hello]\r\nverify_jwt = true\r\n'],
  ['an empty file', ''],
])('%s keeps every byte and gets the sections at its end', (_, text) => {
  const patched = patch(text);
  expect(patched.startsWith(text)).toBe(true);
  expect(parse(patched)).toEqual({
    ...parse(text),
    functions: { ...(parse(text).functions as object | undefined), ...OWN },
  });
  expect(patched).toContain('# why two');
  if (text.includes('\r\n')) expect(patched.replaceAll('\r\n', '')).not.toContain('\n');
  expect(patch(patched)).toBe(patched);
});

test('a section that is there is left where it is, and the others follow', () => {
  const text = '[functions.push-two]\n# mine\nverify_jwt = false\nenabled = true\n\n[auth]\nenabled = true\n';
  const patched = patch(text);
  expect(patched.startsWith(text)).toBe(true);
  expect(patched.match(/^\[functions\.push-two\]/gm)).toHaveLength(1);
  expect(patched).toContain('[functions.push-one]');
});

test.each([
  ['no TOML', 'project_id = \n', /cannot be read/],
  [
    'a function that demands a token',
    '[functions.push-one]\nverify_jwt = true\n',
    /push-one.*without verify_jwt = false/,
  ],
  [
    'a function with the default',
    '[functions.push-one]\nenabled = true\n',
    /push-one.*without verify_jwt = false/,
  ],
  [
    'functions in one line',
    'functions = { hello = { verify_jwt = true } }\n',
    /Add these yourself[\s\S]*\[functions\.push-one\]/,
  ],
])('%s is refused with what to do', (_, text, message) => {
  expect(() => patch(text)).toThrow(InitRefusal);
  expect(() => patch(text)).toThrow(message);
});

test('a Data API that does not serve public is told of', () => {
  expect(faultsOf('[api]\nschemas = ["api"]\n')).toEqual([expect.stringContaining('public')]);
  expect(faultsOf('[api]\nschemas = ["public", "graphql_public"]\n')).toEqual([]);
  expect(faultsOf('')).toEqual([]);
});

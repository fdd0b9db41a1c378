import { expect, test } from 'vitest';
import { environmentFor } from '../../../tools/local/functions/deno-environment.ts';

const ANYWHERE = { imports: 'anywhere', environment: { SUPABASE_URL: 'http://127.0.0.1:1' } } as const;

test('a proxy is for downloads alone: a function reaches this machine without it', () => {
  expect(environmentFor(ANYWHERE, 2, { HTTP_PROXY: 'http://proxy:3128' })).toMatchObject({
    HTTP_PROXY: 'http://proxy:3128',
    NO_PROXY: '127.0.0.1,localhost,::1',
  });
  const lowerCase = { http_proxy: 'http://one:1', https_proxy: 'http://two:2', no_proxy: 'intern.example' };
  expect(environmentFor(ANYWHERE, 2, { ...lowerCase, NO_PROXY: 'localhost, .corp' })).toMatchObject({
    http_proxy: 'http://one:1',
    https_proxy: 'http://two:2',
    NO_PROXY: '127.0.0.1,localhost,::1,.corp,intern.example',
  });
});

test('secrets of the project do not bring a proxy between a function and this machine', () => {
  const environment = { HTTP_PROXY: 'http://mine:1', NO_PROXY: 'mine' };
  expect(environmentFor({ ...ANYWHERE, environment }, 2, {})).toMatchObject({
    HTTP_PROXY: 'http://mine:1',
    NO_PROXY: '127.0.0.1,localhost,::1,mine',
  });
});

test('functions get no tokens of the person, and no proxy where nothing is fetched', () => {
  const parent = { DENO_AUTH_TOKENS: 'secret@host', HTTP_PROXY: 'http://proxy:1', OTHER: 'x', PATH: '/bin' };
  const given = Object.keys(environmentFor(ANYWHERE, 2, parent));
  expect(given).not.toContain('DENO_AUTH_TOKENS');
  expect(given).not.toContain('OTHER');
  expect(environmentFor({ imports: 'project', environment: {} }, 2, parent)).toEqual({
    PATH: '/bin',
    DENO_NO_UPDATE_CHECK: '1',
    NO_COLOR: '1',
    DENO_SERVE_ADDRESS: 'tcp:127.0.0.1:2',
  });
});

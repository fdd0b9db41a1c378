import { describe, expect, test } from 'vitest';
import { checkSourceAddress, type ResolveDns } from '../../../src/server/quotes/source-address.ts';

class NotFound extends Error {
  override readonly name = 'NotFound';
}

/** A resolver that knows one name. */
const answering =
  (addresses: { A?: string[]; AAAA?: string[] }): ResolveDns =>
  async (_, type) => {
    const found = addresses[type];
    if (!found) throw new NotFound('no records');
    return found;
  };

async function codeFor(
  url: string,
  resolve: ResolveDns | undefined = answering({ A: ['93.184.216.34'] }),
  localOrigin: string | null = null,
): Promise<string> {
  const signal = AbortSignal.timeout(5_000);
  return await checkSourceAddress(url, { localOrigin, resolve, signal }).then(
    () => 'accepted',
    (error: { code: string }) => error.code,
  );
}

test('a name that leads to the internet is asked', async () => {
  expect(await codeFor('https://api.example.com/q')).toBe('accepted');
  expect(await codeFor('https://api.example.com/q', answering({ AAAA: ['2606:4700::1'] }))).toBe('accepted');
  expect(await codeFor('https://api.example.com:8443/q')).toBe('accepted');
});

describe('refused is', () => {
  test.each([
    'http://api.example.com/q',
    'ftp://api.example.com/q',
    'https://user:pass@api.example.com/q',
    'https://localhost/q',
    'https://localhost./q',
    'https://db/q',
    'https://metadata.google.internal/q',
    'https://printer.local/q',
    'https://127.0.0.1/q',
    'https://127.1/q',
    'https://2130706433/q',
    'https://0x7f.1/q',
    'https://0177.0.0.1/q',
    'https://１２７.0.0.1/q',
    'https://[::1]/q',
    'https://[::ffff:127.0.0.1]/q',
    'https://[::ffff:a00:1]/q',
    'https://169.254.169.254/latest/meta-data',
    'not a url',
  ])('%s', async (url) => {
    expect(await codeFor(url)).toBe('address_refused');
    expect(await codeFor(url, undefined)).toBe('address_refused');
  });

  test.each([
    { A: ['127.0.0.1'] },
    { A: ['93.184.216.34', '10.0.0.7'] },
    { A: ['93.184.216.34'], AAAA: ['::1'] },
    { AAAA: ['::ffff:192.168.0.1'] },
    { AAAA: ['fd00::7'] },
  ])('a name that leads to %j', async (addresses) => {
    expect(await codeFor('https://api.example.com/q', answering(addresses))).toBe('address_refused');
  });
});

test('a name that does not exist, or cannot be looked up, is not asked', async () => {
  expect(await codeFor('https://api.example.com/q', answering({}))).toBe('network_error');
  const broken: ResolveDns = async (_, type) => {
    if (type === 'A') return ['93.184.216.34'];
    throw new Error('timed out');
  };
  expect(await codeFor('https://api.example.com/q', broken)).toBe('network_error');
});

test('where the platform looks no names up, the name itself decides', async () => {
  expect(await codeFor('https://api.example.com/q', undefined)).toBe('accepted');
  const unsupported: ResolveDns = async () => {
    throw Object.assign(new Error('not implemented'), { name: 'NotSupported' });
  };
  expect(await codeFor('https://api.example.com/q', unsupported)).toBe('accepted');
});

test('the quote server of a local stack is asked where the database names it, and nothing else on this machine', async () => {
  const local = 'http://127.0.0.1:4321';
  expect(await codeFor(`${local}/json`, undefined, local)).toBe('accepted');
  expect(await codeFor(`${local}/json`, undefined, null)).toBe('address_refused');
  expect(await codeFor('http://127.0.0.1:4322/json', undefined, local)).toBe('address_refused');
  expect(await codeFor('http://127.0.0.1:43211/json', undefined, local)).toBe('address_refused');
  expect(await codeFor('http://localhost:4321/json', undefined, local)).toBe('address_refused');
});

import { expect, test } from 'vitest';
import { readBody } from '../../../src/functions/read-body.ts';

/** A body of as many chunks as are asked for, and how many were; it never ends by itself. */
function endless(chunk: Uint8Array, headers: Record<string, string> = {}) {
  const seen = { chunks: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      seen.chunks += 1;
      controller.enqueue(chunk);
    },
    cancel() {
      seen.cancelled = true;
    },
  });
  const init = { method: 'POST', body, headers, duplex: 'half' };
  return { request: new Request('http://localhost/', init as RequestInit), seen };
}

const post = (body: BodyInit) => new Request('http://localhost/', { method: 'POST', body });

test('what is as long as it may be is read, without a body it is empty', async () => {
  expect(await readBody(post('x'.repeat(100)), 100)).toBe('x'.repeat(100));
  expect(await readBody(new Request('http://localhost/', { method: 'POST' }), 100)).toBe('');
});

test('one byte more is refused', async () => {
  await expect(readBody(post('x'.repeat(101)), 100)).rejects.toMatchObject({ code: 'body_too_large' });
  // Characters of two bytes.
  await expect(readBody(post('ä'.repeat(51)), 100)).rejects.toMatchObject({ code: 'body_too_large' });
});

test('a body that does not end is left at the limit, whatever it says of its length', async () => {
  for (const headers of [
    {},
    { 'content-length': '10' },
    { 'content-length': 'many' },
    { 'content-length': '-1' },
  ]) {
    const { request, seen } = endless(new Uint8Array(1000), headers);
    await expect(readBody(request, 10_000)).rejects.toMatchObject({ code: 'body_too_large' });
    expect(seen.chunks).toBeLessThan(20);
    expect(seen.cancelled).toBe(true);
  }
});

test('one that says that it is too long is not read at all', async () => {
  const { request, seen } = endless(new Uint8Array(1000), { 'content-length': '10001' });
  await expect(readBody(request, 10_000)).rejects.toMatchObject({ code: 'body_too_large' });
  expect(seen.chunks).toBeLessThan(2);
});

test('characters that are cut by chunks are put together, half ones at the end are none', async () => {
  const bytes = new TextEncoder().encode('ä€😀');
  const chunks = [...bytes].map((byte) => Uint8Array.of(byte));
  const body = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const init = { method: 'POST', body, duplex: 'half' };
  expect(await readBody(new Request('http://localhost/', init as RequestInit), 100)).toBe('ä€😀');
  expect(await readBody(post(bytes.subarray(0, 3)), 100)).toBe('ä\ufffd');
});

import { expect, test } from 'vitest';
import { createBodyReader } from '../../../src/server/functions/read-body.ts';

const readBody = createBodyReader();

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

test('a body of the maximum length is read, and a request without a body is empty', async () => {
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

test('a body whose content-length is too long is not read at all', async () => {
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

/** A body of which nothing comes but what the test sends. */
function slow() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const seen = { cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
    cancel() {
      seen.cancelled = true;
    },
  });
  const request = new Request('http://localhost/', { method: 'POST', body, duplex: 'half' } as RequestInit);
  const send = (text: string) => controller?.enqueue(new TextEncoder().encode(text));
  return {
    request,
    seen,
    send,
    end: () => controller?.close(),
    fail: (error: Error) => controller?.error(error),
  };
}

test('a body that does not end in time is given up, however often a byte of it comes', async () => {
  const { request, seen, send } = slow();
  const read = createBodyReader({ bodyMs: 30 })(request, 100);
  const drip = setInterval(() => send('x'), 5);
  await expect(read).rejects.toMatchObject({ code: 'body_too_slow', status: 408 });
  clearInterval(drip);
  expect(seen.cancelled).toBe(true);
});

test('when too many bodies are open, the oldest are refused and the ones after them are read', async () => {
  const read = createBodyReader({ openBodies: 2 });
  const bodies = Array.from({ length: 5 }, slow);
  const texts = bodies.map(({ request }) => read(request, 100));
  for (const text of texts.slice(0, 3)) await expect(text).rejects.toMatchObject({ code: 'body_too_slow' });
  expect(await read(post('quick'), 100)).toBe('quick');
  await expect(texts[3]).rejects.toMatchObject({ code: 'body_too_slow' });
  bodies[4]?.send('late');
  bodies[4]?.end();
  expect(await texts[4]).toBe('late');
  // Their places are free again.
  const next = [slow(), slow()];
  const both = next.map(({ request }) => read(request, 100));
  for (const body of next) body.end();
  expect(await Promise.all(both)).toEqual(['', '']);
});

test('a body whose sender went away is incomplete, which counts as the sender’s fault', async () => {
  const { request, send, fail } = slow();
  const read = readBody(request, 100);
  send('half');
  fail(new TypeError('the connection was closed'));
  await expect(read).rejects.toMatchObject({ code: 'body_incomplete', status: 400 });
});

import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { createReceiptTokens } from '../../src/server/channels/receipt-tokens.ts';
import { type OpenFunction, startOpenFunction } from '../support/open-function.ts';
import { createSubscription } from '../support/subscriptions.ts';

async function withFunction(
  name: string,
  options: Parameters<typeof startOpenFunction>[1],
  work: (opened: OpenFunction) => Promise<void>,
): Promise<void> {
  const opened = await startOpenFunction(name, options);
  try {
    await work(opened);
  } finally {
    await opened.stop();
  }
}

/** Does it so many times, 20 at once. */
async function many(times: number, work: () => Promise<unknown>): Promise<void> {
  let left = times;
  const one = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: 20 }, one));
}

/** Begins a body and goes away. */
function breakOff(port: number, path: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      const head = `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n`;
      socket.write(`${head}{"rel`, () => socket.resetAndDestroy());
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}

const post = (url: string, body: string) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).then((answer) =>
    answer.text(),
  );

const FUNCTIONS = ['push-events', 'push-dispatch', 'push-quotes', 'push-health'];

test.each(FUNCTIONS)(
  '%s: 300 broken bodies, 300 bad ones and 300 of other kinds write no line',
  async (name) => {
    await withFunction(name, {}, async ({ port, url, lines }) => {
      await many(300, () => breakOff(port, `/${name}`));
      await many(300, () => post(url, '{"release": {"endpoint": "\\u0000"}}'));
      await many(100, async () => {
        for (const [method, headers] of [
          ['DELETE', {}],
          ['POST', { 'x-push-bell': 'guessed', apikey: 'sb_secret_guessed' }],
          ['GET', { apikey: 'sb_secret_guessed' }],
        ] as const)
          await (await fetch(url, { method, headers })).text();
      });
      expect((await fetch(url)).status).toBe(200);
      expect(lines).toEqual([]);
    });
  },
);

test('while the database is away, 600 requests are one line for each thing that failed', async () => {
  await withFunction('push-events', {}, async ({ url, lines, vapidKeys }) => {
    const tokens = await createReceiptTokens([vapidKeys], 'http://127.0.0.1:9');
    await many(300, () => post(url, JSON.stringify({ release: createSubscription() })));
    const ids = Array.from({ length: 300 }, (_, index) => index + 1);
    await many(300, async () => {
      const receipt = await tokens.sign(ids.pop() ?? 1);
      await post(url, JSON.stringify({ receipts: [{ receipt, event: 'clicked' }] }));
    });
    const line = {
      level: 'error',
      event: 'request_failed',
      function: 'push-events',
      code: 'queue_unreachable',
    };
    expect(lines.map((text) => JSON.parse(text))).toEqual([
      { ...line, cause: 'push_proven_devices status 0', count: 1 },
      { ...line, cause: 'push_record_receipts status 0', count: 1 },
    ]);
  });
});

test.each(FUNCTIONS)(
  '%s that is not configured says so once to its log, however often it is asked',
  async (name) => {
    await withFunction(name, { secrets: { PUSH_BELL_SECRET: 'short' } }, async ({ url, lines }) => {
      await many(200, () => post(url, '{}'));
      await many(200, async () => (await fetch(url)).text());
      expect(lines.length).toBeLessThanOrEqual(1);
      for (const line of lines)
        expect(JSON.parse(line)).toMatchObject({ event: 'request_failed', code: 'not_configured', count: 1 });
    });
  },
);

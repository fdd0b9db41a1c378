import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import webpush from 'web-push';
import type { ClaimedDelivery, Outcome } from '../../../src/server/channels/channel.ts';
import { importVapidKeys } from '../../../src/server/channels/webpush/vapid-keys.ts';
import { createWebPushChannel } from '../../../src/server/channels/webpush/webpush-channel.ts';
import {
  type PushService,
  startPushService,
  type VirtualDevice,
} from '../../../tools/local/push-service/push-service.ts';
import { NO_RECEIPTS } from '../../support/receipts.ts';
import { type DeliveryValues, deliveryTo } from './delivery.ts';

const keys = webpush.generateVAPIDKeys();
const signer = await importVapidKeys({ ...keys, subject: 'mailto:push@example.com' });

let service: PushService;
let device: VirtualDevice;
beforeEach(async () => {
  service = await startPushService();
  device = service.createDevice({ applicationServerKey: keys.publicKey });
});
afterEach(() => service.stop());

const send = (values: DeliveryValues = {}, timeoutMs = 10_000): Promise<Outcome> =>
  createWebPushChannel({ signers: [signer], receipts: NO_RECEIPTS, timeoutMs }).send(
    deliveryTo(device, values),
  );

/** A push service that answers as told, at its own endpoint. */
async function answering(listener: RequestListener): Promise<DeliveryValues> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, endpoint: `${host}/push/a-token-that-nobody-else-may-know` };
}

describe('an outcome never contains what must stay secret', () => {
  /** Everything that gives its holder power: over the device, or to send in our name for the next hours. */
  const secretsOf = ({ target }: ClaimedDelivery<'webpush'>, authorization: string) => [
    new URL(target.endpoint).pathname,
    new URL(target.endpoint).pathname.split('/').at(-1) ?? '',
    target.p256dh,
    target.auth,
    keys.privateKey,
    authorization,
    authorization.split('.')[2]?.split(',')[0] ?? '',
  ];

  test.each([400, 401, 403, 404, 410, 413, 429, 500, 503])(
    'when the push service echoes the request (%i)',
    async (status) => {
      let authorization = '';
      const values = await answering((request, response) => {
        authorization = request.headers.authorization ?? '';
        const url = `http://${request.headers.host}${request.url}`;
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(
          // The token first: all of it is within what is kept of an answer.
          JSON.stringify({ authorization, url, encoded: encodeURIComponent(url), path: request.url }),
        );
      });
      const outcome = await send(values);
      expect(outcome.status).toBe(status);
      for (const secret of secretsOf(deliveryTo(device, values), authorization)) {
        expect(secret.length).toBeGreaterThan(10);
        expect(JSON.stringify(outcome)).not.toContain(secret);
      }
    },
  );

  test('when the echo begins where the message is cut', async () => {
    const values = await answering((request, response) => {
      response.writeHead(500).end(`${'x'.repeat(280)}${request.url}`);
    });
    expect(JSON.stringify(await send(values))).not.toContain('a-token');
  });

  test('when the runtime quotes it', async () => {
    const failing = `error sending request for url (${device.endpoint})`;
    const cause = new Error(`no route to ${device.endpoint}`, { cause: new Error('host is down') });
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError(failing, { cause })));
    onTestFinished(() => void vi.unstubAllGlobals());
    const outcome = await send();
    expect(outcome).toMatchObject({ outcome: 'retry', code: 'network_error' });
    expect('message' in outcome && outcome.message).toMatch(
      /error sending request for url.*no route.*host is down/,
    );
    expect(JSON.stringify(outcome)).not.toContain(new URL(device.endpoint).pathname.split('/').at(-1));
  });
});

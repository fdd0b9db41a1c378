import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import webpush from 'web-push';
import type { Outcome } from '../../../src/server/channels/channel.ts';
import { outcomeOfResponse } from '../../../src/server/channels/webpush/outcome-of-response.ts';
import { importVapidKeys } from '../../../src/server/channels/webpush/vapid-keys.ts';
import { createWebPushChannel } from '../../../src/server/channels/webpush/webpush-channel.ts';
import { type PushService, startPushService } from '../../../tools/local/push-service/push-service.ts';
import { NO_RECEIPTS } from '../../support/receipts.ts';
import { deliveryTo } from './delivery.ts';

const WINDOWS = 'https://*.notify.windows.com';
const TOKEN = 'BQYAAADuof2gokJoLSVIKIfsv0zYCQE2FwGAEXcrhE5k9Z';
const keys = webpush.generateVAPIDKeys();
const signer = await importVapidKeys({ ...keys, subject: 'mailto:push@example.com' });

let service: PushService;
const realFetch = globalThis.fetch;
beforeEach(async () => {
  service = await startPushService();
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await service.stop();
});

type Answer = { status: number; headers?: Record<string, string>; retryAfter?: number; body?: string };

/** What becomes of a message to Windows, in whose place the local push service answers as scripted. */
function send({ body = '', ...answer }: Answer): Promise<Outcome> {
  const device = service.createDevice();
  service.script(device.endpoint, { kind: 'status', body, ...answer });
  vi.stubGlobal('fetch', (_: string, request: RequestInit) => realFetch(device.endpoint, request));
  const endpoint = `https://wns2-par02p.notify.windows.com/w/?token=${TOKEN}`;
  return createWebPushChannel({ signers: [signer], receipts: NO_RECEIPTS }).send(
    deliveryTo(device, { host: WINDOWS, endpoint }),
  );
}

const wns = (verdict: string, description?: string) => ({
  'X-WNS-Status': verdict,
  'X-WNS-NotificationStatus': verdict,
  ...(description === undefined ? {} : { 'X-WNS-Error-Description': description }),
});

describe('a refusal by Windows, which has no body', () => {
  test.each([
    [400, 'Ttl value conflicts with X-WNS-Cache-Policy.', 'failed', 'push_service_refused'],
    [401, 'JWT Authentication Failed, unable to validate token signature', 'misconfigured', 'vapid_refused'],
    [403, 'Channel URL incompatible with caller app', 'misconfigured', 'vapid_refused'],
    [410, 'Channel expired', 'gone', 'subscription_gone'],
    [500, 'Internal error', 'retry', 'push_service_error'],
  ])('%i is explained by its headers: %s', async (status, description, outcome, code) => {
    expect(await send({ status, headers: wns('dropped', description) })).toMatchObject({
      outcome,
      status,
      code,
      message: `${status} ${description}, dropped`,
    });
  });

  test('comes with what Microsoft asks for in a report', async () => {
    const headers = {
      ...wns('dropped', 'Internal error'),
      'X-WNS-Msg-ID': '6ED0B2F9647F58F0',
      'X-WNS-Debug-Trace': 'HK2SCH130020125',
      'MS-CV': 'PmvzQKgYek6Sdk/T5sWaqw.0',
    };
    expect(await send({ status: 500, headers })).toMatchObject({
      message:
        '500 Internal error, dropped, X-WNS-Msg-ID 6ED0B2F9647F58F0, X-WNS-Debug-Trace HK2SCH130020125, MS-CV PmvzQKgYek6Sdk/T5sWaqw.0',
    });
  });

  test('that explains nothing is told by its status', async () => {
    expect(await send({ status: 400 })).toMatchObject({ outcome: 'failed', message: '400' });
  });

  test('does not repeat the endpoint', async () => {
    const outcome = await send({ status: 400, headers: wns('dropped', `No channel ${TOKEN}`) });
    expect(outcome).toMatchObject({ message: '400 No channel …, dropped' });
  });

  test('… and a body, where there is one, says it better', async () => {
    const outcome = await send({ status: 400, body: 'The reason', headers: wns('dropped', 'Another') });
    expect(outcome).toMatchObject({ message: '400 The reason' });
  });
});

describe('what the headers say counts more than the status', () => {
  test.each([200, 201, 400, 406, 410])(
    '%i, and too many for this device: it is tried again',
    async (status) => {
      const outcome = await send({ status, headers: wns('channelthrottled'), retryAfter: 90 });
      expect(outcome).toMatchObject({ outcome: 'retry', status, code: 'throttled', retryAfterSeconds: 90 });
    },
  );

  test.each([200, 201])('%i, and dropped all the same: it is not called sent', async (status) => {
    expect(await send({ status, headers: wns('dropped', 'Notifications are off') })).toEqual({
      outcome: 'failed',
      status,
      code: 'dropped',
      message: `${status} Notifications are off, dropped`,
    });
  });

  test.each([200, 201])('%i, and received: sent', async (status) => {
    expect(await send({ status, headers: wns('received') })).toEqual({ outcome: 'sent', status });
  });

  test('410 because our domain was blocked is no device that is gone: none of them is deleted', async () => {
    const blocked = { outcome: 'misconfigured', status: 410, code: 'sender_blocked' };
    const headers = wns('dropped', 'The sending domain has been blocked by WNS');
    expect(await send({ status: 410, headers })).toMatchObject(blocked);
    const inHttp1 = {
      status: 410,
      statusText: 'Domain Blocked',
      headers: new Headers(),
      body: '',
      retryAfter: null,
    };
    expect(outcomeOfResponse(WINDOWS, inHttp1, 0)).toMatchObject(blocked);
  });

  test('the answers of other push services are not read in this way', () => {
    const headers = new Headers(wns('dropped', 'The sending domain has been blocked'));
    const answer = { statusText: 'Domain Blocked', headers, body: '', retryAfter: null };
    for (const host of ['https://fcm.googleapis.com', 'https://*.push.apple.com', 'http://127.0.0.1:4000']) {
      expect(outcomeOfResponse(host, { ...answer, status: 201 }, 0)).toEqual({
        outcome: 'sent',
        status: 201,
      });
      expect(outcomeOfResponse(host, { ...answer, status: 410 }, 0)).toMatchObject({ outcome: 'gone' });
      expect(outcomeOfResponse(host, { ...answer, status: 400 }, 0)).toMatchObject({ message: '400' });
    }
  });
});

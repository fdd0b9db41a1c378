import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Channel, Outcome } from '../../../../src/server/channels/channel.ts';
import { createFcmChannel } from '../../../../src/server/channels/fcm/fcm-channel.ts';
import { importServiceAccount } from '../../../../src/server/channels/fcm/service-account.ts';
import {
  type FcmDevice,
  type FcmService,
  GOOGLE_ERRORS,
  scriptedGoogleError,
  startFcmService,
} from '../../../../tools/local/fcm-service/fcm-service.ts';
import { createServiceAccountKey } from '../../../../tools/local/fcm-service/local-service-account.ts';
import { appDelivery } from './app-delivery.ts';

const PRIVATE_KEY = createServiceAccountKey();

let fcm: FcmService;
let device: FcmDevice;
let channel: Channel<'fcm'>;

async function channelOf(options: { timeoutMs?: number } = {}): Promise<Channel<'fcm'>> {
  return createFcmChannel({
    account: await importServiceAccount(JSON.stringify(fcm.serviceAccount)),
    receipts: { sign: async (deliveryId) => `${deliveryId}.abcdefghijklmnopqrstuv` },
    ...options,
  });
}

beforeEach(async () => {
  fcm = await startFcmService({ privateKey: PRIVATE_KEY });
  device = fcm.createDevice();
  channel = await channelOf();
});
afterEach(() => fcm.stop());

function send(changes: Parameters<typeof appDelivery>[0] = {}): Promise<Outcome> {
  return channel.send(appDelivery({ host: fcm.baseUrl, token: device.token, ...changes }));
}
const kinds = () => fcm.received.map(({ kind, status }) => `${kind} ${status}`);

test('the app on the device gets the message', async () => {
  expect(await send({ content: { body: 'Hello', url: '/deals/7', collapseKey: 'deal-7' } })).toEqual({
    outcome: 'sent',
    status: 200,
  });
  expect(await device.next()).toMatchObject({
    notification: { title: 'Acme is won', body: 'Hello' },
    data: { url: '/deals/7' },
    android: { collapse_key: 'deal-7', ttl: '600s' },
  });
});

test('FCM takes what a message shows besides its text', async () => {
  const presentation = {
    image: 'https://cdn.example/i.jpg',
    vibrate: [200, 100],
    actions: [{ action: 'open', title: 'Open' }],
    sound: 'chime.caf',
    appBadge: 3,
    channel: 'trades',
    thread: 'deal:7',
    interruptionLevel: 'critical' as const,
  };
  expect(await send({ content: { presentation } })).toMatchObject({ outcome: 'sent' });
  expect(await device.next()).toMatchObject({
    notification: { image: presentation.image },
    data: { actions: JSON.stringify(presentation.actions), receipt: '1.abcdefghijklmnopqrstuv' },
    android: {
      notification: {
        vibrate_timings: ['0s', '0.2s', '0.1s'],
        channel_id: 'trades',
        sound: 'chime',
        notification_count: 3,
      },
    },
    apns: {
      payload: {
        aps: { sound: { critical: 1, name: 'chime.caf', volume: 1 }, badge: 3, 'thread-id': 'deal:7' },
      },
    },
  });
});

test('FCM is given twice as long to answer for a message that was tried before', async () => {
  channel = await channelOf({ timeoutMs: 1000 });
  fcm.script(device.token, { kind: 'accept', answer: { afterMs: 1500 }, times: 2 });
  expect(await send({ claimNumber: 1 })).toMatchObject({ outcome: 'retry', code: 'timed_out' });
  expect(await send({ claimNumber: 2 })).toEqual({ outcome: 'sent', status: 200 });
  expect(device.messages).toHaveLength(2);
});

test('two hundred messages at once sign in once', async () => {
  await Promise.all(Array.from({ length: 200 }, () => send()));
  expect(device.messages).toHaveLength(200);
  expect(kinds().filter((kind) => kind.startsWith('sign-in'))).toHaveLength(1);
});

test('a revoked access token is replaced once, for all who were refused', async () => {
  await send();
  fcm.revokeAccessTokens();
  const outcomes = await Promise.all(Array.from({ length: 30 }, () => send()));
  expect(outcomes.every(({ outcome }) => outcome === 'sent')).toBe(true);
  expect(kinds().filter((kind) => kind.startsWith('sign-in'))).toHaveLength(2);
});

test('401 again and again is our own fault, after one more try', async () => {
  fcm.script('all', scriptedGoogleError(GOOGLE_ERRORS.unauthenticated, { times: 10 }));
  expect(await send()).toMatchObject({ outcome: 'misconfigured', status: 401, code: 'fcm_refused' });
  expect(kinds()).toEqual(['sign-in 200', 'send 401', 'sign-in 200', 'send 401']);
  expect(await send()).toMatchObject({ outcome: 'misconfigured', status: 401 });
  expect(kinds()).toHaveLength(5);
});

test('another access token is not tried where it is Apple that was not signed in to', async () => {
  fcm.script(
    device.token,
    scriptedGoogleError({
      httpStatus: 401,
      status: 'UNAUTHENTICATED',
      message: 'Auth error from APNS or Web Push Service',
      details: [
        {
          '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError',
          errorCode: 'THIRD_PARTY_AUTH_ERROR',
        },
      ],
    }),
  );
  expect(await send()).toMatchObject({ outcome: 'misconfigured', status: 401 });
  expect(kinds()).toEqual(['sign-in 200', 'send 401']);
});

test('an app that was removed is gone; text that never was a token too', async () => {
  device.remove();
  expect(await send()).toMatchObject({ outcome: 'gone', status: 404 });
  expect(await send({ token: 'never-was-a-registration-token' })).toMatchObject({
    outcome: 'gone',
    status: 400,
  });
});

test('an app of another Firebase project is kept', async () => {
  const { token } = fcm.createDevice({ project: 'another-project' });
  expect(await send({ token })).toMatchObject({ outcome: 'misconfigured', code: 'fcm_sender_mismatch' });
});

test.each([
  [{ kind: 'hang' }, 'timed_out'],
  [{ kind: 'reset', times: 2 }, 'network_error'],
] as const)('%o is tried again later', async (answer, code) => {
  channel = await channelOf({ timeoutMs: 300 });
  fcm.script(device.token, answer);
  const outcome = await send();
  expect(outcome).toMatchObject({ outcome: 'retry', status: null, code });
  expect(JSON.stringify(outcome)).not.toContain(device.token);
});

test('a redirect is not followed, so that no access token leaves', async () => {
  const elsewhere = await startFcmService({ privateKey: PRIVATE_KEY });
  try {
    fcm.script(device.token, {
      kind: 'redirect',
      location: `${elsewhere.baseUrl}/projects/x/messages:send`,
      status: 307,
    });
    expect(await send()).toMatchObject({ outcome: 'failed', code: 'redirected' });
    expect(elsewhere.received).toEqual([]);
  } finally {
    await elsewhere.stop();
  }
});

test('an account is used nowhere but where it belongs', async () => {
  for (const host of ['https://fcm.googleapis.com/v1', 'http://127.0.0.1:9/v1', 'https://evil.example/v1']) {
    expect(await send({ host })).toMatchObject({
      outcome: 'misconfigured',
      status: null,
      code: 'fcm_account_elsewhere',
    });
  }
  expect(fcm.received).toEqual([]);
});

const RECEIPT_BYTES = 'receipt'.length + '1.abcdefghijklmnopqrstuv'.length;

test('a text is shortened to 4096 bytes of message, and arrives', async () => {
  const room = 4096 - ('titlex'.length + 'notification_id'.length + 36) - RECEIPT_BYTES - 'body'.length;
  expect(await send({ content: { title: 'x', body: 'y'.repeat(room) } })).toMatchObject({ outcome: 'sent' });
  expect((await device.next()).notification?.body).toBe('y'.repeat(room));
  expect(await send({ content: { title: 'x', body: 'y'.repeat(8000) } })).toMatchObject({ outcome: 'sent' });
  expect((await device.next()).notification?.body).toBe(`${'y'.repeat(room - 3)}…`);
});

test('data of more than 4096 bytes is not even tried', async () => {
  await send();
  const before = fcm.received.length;
  expect(await send({ content: { title: 'x', params: { text: 'y'.repeat(5000) } } })).toMatchObject({
    outcome: 'failed',
    status: null,
    code: 'payload_too_large',
    message: expect.stringMatching(/^The message has 5\d\d\d bytes\. The limit is 4096\.$/),
  });
  expect(fcm.received).toHaveLength(before);
});

test('what FCM quotes of us is not repeated', async () => {
  fcm.script(device.token, { kind: 'status', status: 400, body: `no: ${device.token}` });
  const outcome = await send();
  expect(outcome).toMatchObject({ outcome: 'failed', status: 400 });
  for (const part of device.token.split(':')) expect(JSON.stringify(outcome)).not.toContain(part);
});

import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type PushService,
  type ScriptedAnswer,
  startPushService,
  type VirtualDevice,
} from '../../../tools/local/push-service/push-service.ts';
import { createVapidKeys, sendPush } from './sender.ts';

const vapidKeys = createVapidKeys();
let service: PushService;
let device: VirtualDevice;

beforeEach(async () => {
  service = await startPushService();
  device = service.createDevice();
});
afterEach(() => service.stop());

const send = (to: VirtualDevice = device) => sendPush(to.subscription, 'hello', { vapidKeys });
const statuses = async (count: number, to?: VirtualDevice) => {
  const seen: number[] = [];
  for (let sent = 0; sent < count; sent++) seen.push((await send(to)).status);
  return seen;
};

describe('a scripted answer', () => {
  it.each([
    [401, 109],
    [403, 109],
    [404, 102],
    [410, 106],
    [413, 104],
    [500, 999],
    [503, 201],
  ])('of status %i is given with errno %i, and the message is not delivered', async (status, errno) => {
    service.script(device.endpoint, { kind: 'status', status });
    const response = await send();
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code: status, errno });
    expect(device.messages).toEqual([]);
    expect(service.received).toMatchObject([{ outcome: 'scripted', status, refusal: null }]);
  });

  it.each([
    [30, '30'],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 'Wed, 21 Oct 2026 07:28:00 GMT'],
  ])('of 429 carries Retry-After %s', async (retryAfter, header) => {
    service.script(device.endpoint, { kind: 'status', status: 429, retryAfter });
    const response = await send();
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe(header);
  });

  it('may have headers, an errno and a body of its own', async () => {
    service.script(device.endpoint, [
      { kind: 'status', status: 410, errno: 103 },
      { kind: 'status', status: 406, body: 'slow down', headers: { 'X-WNS-Status': 'dropped' } },
    ]);
    expect(await (await send()).json()).toMatchObject({ code: 410, errno: 103 });
    const response = await send();
    expect(response.headers.get('x-wns-status')).toBe('dropped');
    expect(await response.text()).toBe('slow down');
  });

  it('redirects to where it is told', async () => {
    const target = createServer((_, response) => response.end('reached'));
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
    try {
      const location = `http://127.0.0.1:${(target.address() as AddressInfo).port}/secret`;
      service.script(device.endpoint, [
        { kind: 'redirect', location },
        { kind: 'redirect', location, status: 307 },
      ]);
      const manual = await send();
      expect(manual.status).toBe(302);
      expect(manual.headers.get('location')).toBe(location);
      const followed = await fetch(device.endpoint, { method: 'POST', body: 'x' });
      expect(await followed.text()).toBe('reached');
    } finally {
      target.closeAllConnections();
      target.close();
    }
  });

  it('resets the connection', async () => {
    service.script(device.endpoint, { kind: 'reset' });
    await expect(send()).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
    expect(service.received).toMatchObject([{ outcome: 'scripted', status: null }]);
    expect(device.messages).toEqual([]);
  });

  it('resets the connection after the message was delivered', async () => {
    service.script(device.endpoint, { kind: 'accept', answer: 'reset' });
    await expect(send()).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
    expect(service.received).toMatchObject([{ outcome: 'accepted', status: null }]);
    expect(device.messages.map(({ text }) => text)).toEqual(['hello']);
    expect((await send()).status).toBe(201);
  });

  it('comes late, after the message was delivered', async () => {
    service.script(device.endpoint, [
      { kind: 'accept', answer: { afterMs: 50 } },
      { kind: 'accept', answer: { afterMs: 3_600_000 } },
    ]);
    expect((await send()).status).toBe(201);
    const sending = expect(send()).rejects.toThrow();
    await device.waitForMessages(2);
    await service.stop();
    await sending;
  });

  it('hangs until the sender gives up', async () => {
    service.script(device.endpoint, { kind: 'hang' });
    const controller = new AbortController();
    const sending = sendPush(device.subscription, 'hello', { vapidKeys, signal: controller.signal });
    await service.waitFor((request) => request.url === device.endpoint && request.status === null);
    controller.abort();
    await expect(sending).rejects.toMatchObject({ name: 'AbortError' });
    expect((await send()).status).toBe(201);
  });

  it('hangs until the push service stops', async () => {
    service.script(device.endpoint, { kind: 'hang' });
    const sending = expect(send()).rejects.toThrow();
    await service.waitFor((request) => request.status === null);
    await service.stop();
    await sending;
  });

  it('that trickles comes byte by byte, and never to the end of its header', async () => {
    service.script(device.endpoint, { kind: 'trickle', everyMs: 1 });
    const { port, pathname } = new URL(device.endpoint);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`POST ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
    let answer = '';
    for await (const bytes of socket) {
      answer += bytes;
      if (answer.length > 100) break;
    }
    expect(answer).toMatch(/^HTTP\/1\.1 201 Created\r\nX-Endless: x{60,}$/);
    expect(device.messages).toEqual([]);
  });

  it('with a slow body sends its status at once and the body in pieces', async () => {
    service.script(device.endpoint, { kind: 'slow-body', status: 500, milliseconds: 50 });
    const response = await send();
    expect(response.status).toBe(500);
    const reader = response.body?.getReader();
    const pieces: Uint8Array[] = [];
    for (let read = await reader?.read(); read?.value; read = await reader?.read()) pieces.push(read.value);
    expect(pieces.length).toBeGreaterThan(1);
    expect(JSON.parse(Buffer.concat(pieces).toString())).toMatchObject({ code: 500 });
  });

  it('with a body that would take an hour is cut off by stop', async () => {
    service.script(device.endpoint, { kind: 'slow-body', status: 503, milliseconds: 3_600_000 });
    const response = await send();
    expect(response.status).toBe(503);
    const reading = expect(response.text()).rejects.toThrow();
    await service.stop();
    await reading;
  });
});

describe('a script', () => {
  const unavailable: ScriptedAnswer = { kind: 'status', status: 503 };

  it('is followed in order, and then the push service judges again', async () => {
    service.script(device.endpoint, [
      { ...unavailable, times: 2 },
      { kind: 'accept' },
      { kind: 'status', status: 410 },
    ]);
    expect(await statuses(5)).toEqual([503, 503, 201, 410, 201]);
    expect(device.messages).toHaveLength(2);
  });

  it('repeats an answer without end, until it is replaced', async () => {
    service.script(device.endpoint, { ...unavailable, times: Number.POSITIVE_INFINITY });
    expect(await statuses(4)).toEqual([503, 503, 503, 503]);
    service.script(device.endpoint, []);
    expect(await statuses(1)).toEqual([201]);
  });

  it('for one endpoint leaves the others alone', async () => {
    service.script(device.endpoint, unavailable);
    expect(await statuses(1, service.createDevice())).toEqual([201]);
    expect(await statuses(1)).toEqual([503]);
  });

  it('for all endpoints is shared, by later ones too, once an endpoint has used up its own', async () => {
    service.script('all', { ...unavailable, times: 2 });
    service.script(device.endpoint, { kind: 'status', status: 410 });
    expect(await statuses(2)).toEqual([410, 503]);
    expect(await statuses(2, service.createDevice())).toEqual([503, 201]);
  });

  it('cannot be set for an endpoint of another push service', () => {
    expect(() => service.script('https://fcm.googleapis.com/fcm/send/x', unavailable)).toThrow(
      expect.objectContaining({ code: 'foreign_endpoint' }),
    );
  });
});

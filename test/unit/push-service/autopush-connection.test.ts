import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { useAutopush } from './use-autopush.ts';

const { paddedKey, service, openBrowser, send } = useAutopush();
const closeOf = async (socket: WebSocket) => (await once(socket, 'close'))[0];

describe('hello', () => {
  it('is answered with a uaid of its own for every new browser', async () => {
    const answer = await openBrowser().ask({ messageType: 'hello', broadcasts: {}, use_webpush: true });
    expect(answer).toEqual({
      messageType: 'hello',
      uaid: expect.stringMatching(/^[0-9a-f]{32}$/),
      status: 200,
      use_webpush: true,
      broadcasts: {},
    });
    const second = await openBrowser().hello();
    expect(service().autopush.userAgents).toEqual([answer.uaid, second]);
  });

  it('gives a known browser its uaid again, and an unknown one a new one', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    await browser.leave();
    expect(await openBrowser().hello(uaid)).toBe(uaid);
    const stranger = '0'.repeat(32);
    expect(await openBrowser().hello(stranger)).not.toBe(stranger);
  });

  it('on a second connection with the same uaid closes the first', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    const closed = closeOf(browser.socket);
    const second = openBrowser();
    expect(await second.hello(uaid)).toBe(uaid);
    await closed;
    const { subscription, channelID } = await second.register(paddedKey);
    await send(subscription, 'hi');
    expect(await second.frames.take()).toMatchObject({ messageType: 'notification', channelID });
  });

  it('has to come first, and once', async () => {
    const early = openBrowser();
    await once(early.socket, 'open');
    early.tell({ messageType: 'register', channelID: randomUUID() });
    expect(await closeOf(early.socket)).toBe(1002);
    const twice = openBrowser();
    await twice.hello();
    twice.tell({ messageType: 'hello', use_webpush: true });
    expect(await closeOf(twice.socket)).toBe(1002);
  });
});

describe('a connection', () => {
  it('speaks the subprotocol push-notification', async () => {
    const browser = openBrowser();
    await browser.hello();
    expect(browser.socket.protocol).toBe('push-notification');
  });

  it('is closed without that subprotocol', async () => {
    const socket = new WebSocket(service().webSocketUrl);
    expect(await closeOf(socket)).toBe(1002);
  });

  it('is refused at another path, and the port is freed although the other side stays', async () => {
    const socket = connect({
      port: Number(new URL(service().origin).port),
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    socket.on('error', () => {});
    socket.write('GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 404 /);
    await service().stop();
    socket.destroy();
  });

  it.each(['not json', '[]', '{"messageType":"dance"}', '{"messageType":"register","channelID":"x"}'])(
    'is closed on %s',
    async (text) => {
      const browser = openBrowser();
      await browser.hello();
      browser.socket.send(text);
      expect(await closeOf(browser.socket)).toBe(1002);
    },
  );

  it('answers a ping, before hello too', async () => {
    const browser = openBrowser();
    expect(await browser.ask({})).toEqual({});
    await browser.hello();
    expect(await browser.ask({})).toEqual({});
    expect(await browser.ask({ messageType: 'ping' })).toEqual({});
  });

  it('stays open when Firefox follows broadcasts', async () => {
    const browser = openBrowser();
    await browser.hello();
    browser.tell({ messageType: 'broadcast_subscribe', broadcasts: { a: 'b' } });
    await browser.settled();
  });

  it('is dropped and refused while browsers are offline; senders are not, and what they sent comes afterwards', async () => {
    const browser = openBrowser();
    const uaid = await browser.hello();
    const { subscription } = await browser.register(paddedKey);
    const closed = closeOf(browser.socket);
    service().autopush.offline();
    expect(await closed).toBe(1006);
    await expect(closeOf(openBrowser().socket)).rejects.toThrow('socket hang up');
    expect((await send(subscription, 'kept')).status).toBe(201);

    service().autopush.online();
    const back = openBrowser();
    expect(await back.hello(uaid)).toBe(uaid);
    expect(await back.frames.take()).toMatchObject({ messageType: 'notification' });
  });

  it('is dropped by stop', async () => {
    const browser = openBrowser();
    await browser.hello();
    const closed = closeOf(browser.socket);
    await service().stop();
    expect(await closed).toBe(1006);
  });
});

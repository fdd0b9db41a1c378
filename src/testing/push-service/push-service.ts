import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createHttpResources, type ReceivedRequest } from './http-resources.ts';
import { MessageStore } from './message-store.ts';
import { ObservedList, type WaitOptions } from './observed-list.ts';
import { PushServiceError } from './push-service-error.ts';
import { AnswerScript, type ScriptedAnswer } from './scripted-answer.ts';
import { createVapidVerifier } from './vapid-verification.ts';
import { VirtualDevice, type VirtualDeviceOptions } from './virtual-device.ts';

export type { ReceivedRequest } from './http-resources.ts';
export type { WaitOptions } from './observed-list.ts';
export type { ScriptedAnswer } from './scripted-answer.ts';
export type {
  DeviceMessage,
  PushSubscriptionJson,
  VirtualDevice,
  VirtualDeviceOptions,
} from './virtual-device.ts';

export type PushServiceOptions = {
  /** A free one unless given. */
  readonly port?: number;
  /** IPv4 address or name to listen on; 127.0.0.1 unless given. */
  readonly host?: string;
  /** The clock, in milliseconds since 1970; tests move it to let TTLs and tokens run out. */
  readonly now?: () => number;
};

export type PushService = {
  /** `http://127.0.0.1:PORT`: the origin of every endpoint, and the `aud` of VAPID tokens. */
  readonly origin: string;
  /** Every request of a sender so far, oldest first. */
  readonly received: readonly ReceivedRequest[];
  /** Subscribes a new device; throws `invalid_application_server_key`. */
  createDevice(options?: VirtualDeviceOptions): VirtualDevice;
  /**
   * Scripts the answers to the next pushes to one endpoint, or to all endpoints without a script of their
   * own, in place of what was scripted there before; an empty list ends it. Throws `foreign_endpoint`.
   */
  script(target: string, answers: ScriptedAnswer | readonly ScriptedAnswer[]): void;
  /**
   * Resolves with the first `count` (1) requests for which `matches` holds, earlier ones included. Rejects
   * with `timeout` (after 10 s unless given otherwise), `aborted` or `stopped`.
   */
  waitFor(
    matches: (request: ReceivedRequest) => boolean,
    options?: WaitOptions & { readonly count?: number },
  ): Promise<ReceivedRequest[]>;
  /** Drops every connection, unanswered requests included, and frees the port. May be called again. */
  stop(): Promise<void>;
};

/** Serves real browsers beside the virtual devices: they connect by a protocol of their own, on the same port. */
export type BrowserSide = {
  /** Takes over a connection that asks for another protocol than HTTP. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Drops every connection, and rejects everything that waits. */
  close(): void;
};

/**
 * Longer than clients keep idle connections, so that it is never the server that closes one under a request.
 */
const KEEP_ALIVE_MS = 120_000;

/**
 * Starts a push service on loopback: RFC 8030 with RFC 8291 and 8292 towards senders, and virtual devices that get what
 * is sent. Rejects with Node's listen error (`EADDRINUSE` …).
 */
export function startPushService(options: PushServiceOptions = {}): Promise<PushService> {
  return startPushServiceWith(options);
}

/** As `startPushService()`; `createBrowserSide` makes what serves real browsers from the same store of messages. */
export async function startPushServiceWith(
  options: PushServiceOptions,
  createBrowserSide?: (store: MessageStore, now: () => number) => BrowserSide,
): Promise<PushService> {
  const { port = 0, host = '127.0.0.1', now = Date.now } = options;
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });

  const origin = `http://${host}:${(server.address() as AddressInfo).port}`;
  const store = new MessageStore(origin, now);
  const script = new AnswerScript();
  const received = new ObservedList<ReceivedRequest>('requests at the push service');
  const browserSide = createBrowserSide?.(store, now);
  const devices: VirtualDevice[] = [];
  // `closeAllConnections` leaves out upgraded ones, and one left open would keep the port.
  const sockets = new Set<Socket>();
  const verifyVapid = createVapidVerifier(origin, now);
  let stopped: Promise<void> | undefined;

  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', createHttpResources({ origin, now, store, script, verifyVapid, received }));
  server.on('upgrade', (request, socket, head) => {
    if (browserSide && request.url === '/') browserSide.upgrade(request, socket, head);
    else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  });

  return {
    origin,
    received: received.items,
    createDevice(deviceOptions) {
      const device = new VirtualDevice(store, now, deviceOptions);
      devices.push(device);
      return device;
    },
    script(target, answers) {
      if (target !== 'all' && !target.startsWith(`${origin}/push/`)) {
        throw new PushServiceError('foreign_endpoint', `${target} is no endpoint of ${origin}.`);
      }
      script.set(target, 'kind' in answers ? [answers] : answers);
    },
    waitFor(matches, { count = 1, ...wait } = {}) {
      return received.waitFor(matches, count, wait);
    },
    stop() {
      stopped ??= new Promise<void>((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        browserSide?.close();
        for (const socket of sockets) socket.destroy();
        received.close();
        for (const device of devices) device.close();
      });
      return stopped;
    },
  };
}

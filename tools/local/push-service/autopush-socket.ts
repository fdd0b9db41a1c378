import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { parseApplicationServerKey } from '../../../src/testing/push-service/application-server-key.ts';
import type {
  MessageStore,
  PushMessage,
  Subscription,
} from '../../../src/testing/push-service/message-store.ts';
import { ObservedList, type WaitOptions } from '../../../src/testing/push-service/observed-list.ts';
import { PushServiceError } from '../../../src/testing/push-service/push-service-error.ts';

/**
 * What a browser reported about a notification: `ack` codes are 100, 101, 102; `nack` codes 301 and above.
 */
export type DeliveryReport = {
  readonly kind: 'ack' | 'nack';
  readonly uaid: string;
  /** Null for a nack, which names the message alone. */
  readonly channelId: string | null;
  readonly version: string;
  readonly code: number | null;
  /** Milliseconds since 1970. */
  readonly reportedAt: number;
};

/** A browser: it outlives its connections, as long as it comes back with its uaid. */
type UserAgent = {
  readonly uaid: string;
  readonly channels: Map<string, Subscription>;
  socket: WebSocket | null;
};

const SUBPROTOCOL = 'push-notification';
const PROTOCOL_ERROR = 1002;

const clientMessage = z.discriminatedUnion('messageType', [
  z.object({ messageType: z.literal('hello'), uaid: z.string().nullish(), use_webpush: z.literal(true) }),
  z.object({ messageType: z.literal('register'), channelID: z.uuid(), key: z.string().nullish() }),
  z.object({ messageType: z.literal('unregister'), channelID: z.string() }),
  z.object({
    messageType: z.literal('ack'),
    updates: z.array(z.object({ channelID: z.string(), version: z.string(), code: z.number().optional() })),
  }),
  z.object({ messageType: z.literal('nack'), version: z.string(), code: z.number().optional() }),
  z.object({ messageType: z.literal('ping') }),
  z.object({ messageType: z.literal('broadcast_subscribe') }),
]);
type ClientMessage = z.infer<typeof clientMessage>;

/**
 * The user agents' side of the push service: Mozilla's autopush protocol over WebSocket, so that a stock
 * Firefox with `dom.push.serverURL` set to it has a working Push API. Notifications a browser has not
 * acknowledged are sent again when it says hello with the same uaid.
 */
export class AutopushSocket {
  readonly #store: MessageStore;
  readonly #now: () => number;
  readonly #userAgents = new Map<string, UserAgent>();
  readonly #reports = new ObservedList<DeliveryReport>('delivery reports');
  #online = true;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: 1 << 20,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });

  constructor(store: MessageStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** The uaids of the browsers this push service knows, connected or not. */
  get userAgents(): readonly string[] {
    return [...this.#userAgents.keys()];
  }

  get reports(): readonly DeliveryReport[] {
    return this.#reports.items;
  }

  /** Resolves with the first `count` delivery reports for which `matches` holds, earlier ones included. */
  waitForReports(
    matches: (report: DeliveryReport) => boolean,
    { count = 1, ...options }: WaitOptions & { readonly count?: number } = {},
  ): Promise<DeliveryReport[]> {
    return this.#reports.waitFor(matches, count, options);
  }

  /** Takes over a connection that asks for the WebSocket protocol. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!this.#online) {
      socket.destroy();
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      if (webSocket.protocol === SUBPROTOCOL) this.#converse(webSocket);
      else webSocket.close(PROTOCOL_ERROR, `subprotocol ${SUBPROTOCOL} needed`);
    });
  }

  /**
   * Loses all that is known of a browser, as a push service may: its endpoints are gone, its connection is
   * dropped, and its next hello is answered with a new uaid. False if there is no such uaid.
   */
  forgetUserAgent(uaid: string): boolean {
    const userAgent = this.#userAgents.get(uaid);
    if (!userAgent) return false;
    this.#userAgents.delete(uaid);
    for (const subscription of userAgent.channels.values()) this.#store.unsubscribe(subscription);
    userAgent.socket?.terminate();
    return true;
  }

  /**
   * Drops the connections of all browsers and takes none until `online()`, as when they have lost the network. Senders
   * reach the push service all the same, and it keeps what they send.
   */
  offline(): void {
    this.#online = false;
    for (const webSocket of this.#server.clients) webSocket.terminate();
  }

  /** Browsers may come back, which Firefox does by itself. */
  online(): void {
    this.#online = true;
  }

  /** Drops every connection, and rejects everything that waits. */
  close(): void {
    for (const webSocket of this.#server.clients) webSocket.terminate();
    this.#server.close();
    this.#reports.close();
  }

  #converse(webSocket: WebSocket): void {
    let userAgent: UserAgent | undefined;
    // A broken connection is an absent browser, which `close` tells as well.
    webSocket.on('error', () => {});
    webSocket.on('close', () => {
      if (userAgent?.socket === webSocket) userAgent.socket = null;
    });
    webSocket.on('message', (data, isBinary) => {
      const message = isBinary ? undefined : readMessage(data);
      if (!message) return webSocket.close(PROTOCOL_ERROR, 'not a message of this protocol');
      if (message.messageType === 'ping') return webSocket.send('{}');
      if (message.messageType === 'hello') {
        if (userAgent) return webSocket.close(PROTOCOL_ERROR, 'hello again');
        userAgent = this.#greet(webSocket, message.uaid);
        return;
      }
      if (!userAgent) return webSocket.close(PROTOCOL_ERROR, 'hello comes first');
      this.#answer(webSocket, userAgent, message);
    });
  }

  #greet(webSocket: WebSocket, uaid: string | null | undefined): UserAgent {
    let userAgent = uaid ? this.#userAgents.get(uaid) : undefined;
    if (!userAgent) {
      userAgent = { uaid: randomUUID().replaceAll('-', ''), channels: new Map(), socket: null };
      this.#userAgents.set(userAgent.uaid, userAgent);
    }
    userAgent.socket?.terminate();
    userAgent.socket = webSocket;
    send(webSocket, {
      messageType: 'hello',
      uaid: userAgent.uaid,
      status: 200,
      use_webpush: true,
      broadcasts: {},
    });
    for (const subscription of userAgent.channels.values()) this.#store.redeliver(subscription);
    return userAgent;
  }

  #answer(
    webSocket: WebSocket,
    userAgent: UserAgent,
    message: Exclude<ClientMessage, { messageType: 'hello' | 'ping' }>,
  ): void {
    switch (message.messageType) {
      case 'register': {
        const { channelID } = message;
        send(webSocket, {
          messageType: 'register',
          channelID,
          ...this.#register(userAgent, channelID, message.key),
        });
        return;
      }
      case 'unregister': {
        const { channelID } = message;
        const subscription = userAgent.channels.get(channelID);
        if (subscription) this.#store.unsubscribe(subscription);
        userAgent.channels.delete(channelID);
        send(webSocket, { messageType: 'unregister', channelID, status: 200 });
        return;
      }
      case 'ack':
        for (const { channelID, version, code } of message.updates) {
          const subscription = userAgent.channels.get(channelID);
          if (subscription) this.#store.acknowledge(subscription, version);
          this.#report('ack', userAgent, channelID, version, code);
        }
        return;
      case 'nack':
        this.#report('nack', userAgent, null, message.version, message.code);
        return;
      case 'broadcast_subscribe':
        // Firefox follows its remote settings with this; there are none here, and no answer is expected.
        return;
    }
  }

  /**
   * Registering a channel again gives the same endpoint, and 409 with another key, as that is another one's.
   */
  #register(
    userAgent: UserAgent,
    channelId: string,
    key: string | null | undefined,
  ): { status: number; pushEndpoint?: string } {
    let applicationServerKey: string | null;
    try {
      applicationServerKey = key ? parseApplicationServerKey(key) : null;
    } catch (error) {
      if (error instanceof PushServiceError) return { status: 400 };
      throw error;
    }
    let subscription = userAgent.channels.get(channelId);
    if (subscription && subscription.applicationServerKey !== applicationServerKey) return { status: 409 };
    if (!subscription) {
      const receiver = {
        receive(message: PushMessage) {
          if (userAgent.socket?.readyState === WebSocket.OPEN) {
            send(userAgent.socket, notification(channelId, message));
          }
          return false;
        },
      };
      subscription = this.#store.subscribe(receiver, applicationServerKey);
      userAgent.channels.set(channelId, subscription);
    }
    return { status: 200, pushEndpoint: subscription.endpoint };
  }

  #report(
    kind: 'ack' | 'nack',
    { uaid }: UserAgent,
    channelId: string | null,
    version: string,
    code: number | undefined,
  ): void {
    this.#reports.add({ kind, uaid, channelId, version, code: code ?? null, reportedAt: this.#now() });
  }
}

function notification(channelID: string, { id, body }: PushMessage): object {
  const content =
    body === null ? {} : { data: body.toString('base64url'), headers: { encoding: 'aes128gcm' } };
  return { messageType: 'notification', channelID, version: id, ...content };
}

function send(webSocket: WebSocket, message: object): void {
  webSocket.send(JSON.stringify(message));
}

function readMessage(data: RawData): ClientMessage | undefined {
  const text = data.toString();
  if (text === '{}') return { messageType: 'ping' };
  try {
    return clientMessage.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

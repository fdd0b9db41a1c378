import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'vitest';
import { WebSocket } from 'ws';
import { createReceiverKeys } from '../../../src/testing/push-service/content-encryption.ts';
import { ObservedList } from '../../../src/testing/push-service/observed-list.ts';
import type { PushSubscriptionJson } from '../../../tools/local/push-service/push-service.ts';

export type Frame = Record<string, unknown> & { messageType?: string };

/** The browser's end of the autopush protocol: every frame is a text of JSON. */
export class AutopushBrowser {
  readonly socket: WebSocket;
  readonly frames = new ObservedList<Frame>('frames at the browser');
  readonly keys = createReceiverKeys();

  constructor(webSocketUrl: string) {
    this.socket = new WebSocket(webSocketUrl, 'push-notification');
    this.socket.on('message', (data) => this.frames.add(JSON.parse(data.toString())));
    this.socket.on('error', () => {});
  }

  /** Sends a message and resolves with the next frame. */
  async ask(message: Frame): Promise<Frame> {
    if (this.socket.readyState === WebSocket.CONNECTING) await once(this.socket, 'open');
    this.tell(message);
    return this.frames.take();
  }

  tell(message: Frame): void {
    this.socket.send(JSON.stringify(message));
  }

  async hello(uaid?: string): Promise<string> {
    const answer = await this.ask({
      messageType: 'hello',
      broadcasts: {},
      use_webpush: true,
      ...(uaid ? { uaid } : {}),
    });
    return String(answer.uaid);
  }

  async register(key: string, channelID: string = randomUUID()) {
    const answer = await this.ask({ messageType: 'register', channelID, key });
    const subscription: PushSubscriptionJson = {
      endpoint: String(answer.pushEndpoint),
      expirationTime: null,
      keys: {
        p256dh: this.keys.publicKey.toString('base64url'),
        auth: this.keys.authSecret.toString('base64url'),
      },
    };
    return { channelID, subscription, answer };
  }

  /** Waits until the server has handled everything sent before, and proves that it sent nothing meanwhile. */
  async settled(): Promise<void> {
    expect(await this.ask({})).toEqual({});
  }

  async leave(): Promise<void> {
    const closed = once(this.socket, 'close');
    this.socket.terminate();
    await closed;
  }
}

import { randomBytes } from 'node:crypto';
import { ObservedList, type WaitOptions } from '../../../src/testing/push-service/observed-list.ts';
import type { SentMessage } from './message-shape.ts';

/** A message as the app on the device gets it. Times are milliseconds since 1970. */
export type FcmDeviceMessage = SentMessage & { readonly id: string; readonly arrivedAt: number };

/** An app installed on a device that is registered at the local FCM service. */
export class FcmDevice {
  /** What the app hands to its server: `FirebaseMessaging.getToken()`. */
  readonly token: string;
  /** The Firebase project that the app belongs to: only that one may send to it. */
  readonly project: string;
  #registered = true;
  readonly #messages = new ObservedList<FcmDeviceMessage>('messages at the FCM device');

  constructor(project: string) {
    this.project = project;
    this.token = `${randomBytes(16).toString('base64url')}:APA91b${randomBytes(100).toString('base64url')}`;
  }

  get messages(): readonly FcmDeviceMessage[] {
    return this.#messages.items;
  }

  get registered(): boolean {
    return this.#registered;
  }

  /** The oldest message that no earlier call returned; waits for one if there is none. */
  next(options: WaitOptions = {}): Promise<FcmDeviceMessage> {
    return this.#messages.take(options);
  }

  /** Resolves with the first `count` messages ever received once there are as many. */
  waitForMessages(count: number, options: WaitOptions = {}): Promise<FcmDeviceMessage[]> {
    return this.#messages.waitFor(() => true, count, options);
  }

  /** Uninstalls the app: its token is `UNREGISTERED` from now on. */
  remove(): void {
    this.#registered = false;
  }

  /** Called by the FCM service with each message. */
  receive(message: FcmDeviceMessage): void {
    this.#messages.add(message);
  }

  /** Called by the FCM service when it stops: rejects everything that waits. */
  close(): void {
    this.#messages.close();
  }
}

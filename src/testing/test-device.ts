import type { Sql } from 'postgres';
import type { WaitOptions } from './push-service/observed-list.ts';
import type { PushService } from './push-service/push-service.ts';
import type { ScriptedAnswer } from './push-service/scripted-answer.ts';
import type { PushSubscriptionJson, VirtualDevice } from './push-service/virtual-device.ts';
import { readTestMessage, type TestMessage } from './test-message.ts';

// Messages have arrived when deliver() is done. Below the 5 s that test runners give a test, so that it fails in words.
const TIMEOUT_MS = 2000;

/** A device of a user that is registered in the database, with keys of its own: it decrypts what it gets, as a browser does. */
export class TestDevice {
  /** Its row of `push_subscriptions`. */
  readonly id: string;
  readonly userId: string;
  readonly #sql: Sql;
  readonly #service: PushService;
  readonly #device: VirtualDevice;

  constructor(row: { id: string; userId: string }, sql: Sql, service: PushService, device: VirtualDevice) {
    this.id = row.id;
    this.userId = row.userId;
    this.#sql = sql;
    this.#service = service;
    this.#device = device;
  }

  /** What `PushSubscription.toJSON()` gives in a browser. */
  get subscription(): PushSubscriptionJson {
    return this.#device.subscription;
  }

  /** All messages so far, oldest first. Throws `body_malformed` where a push is no message of Supapush. */
  get messages(): TestMessage[] {
    return this.#device.messages.map(readTestMessage);
  }

  /**
   * The oldest message that no earlier call returned; waits for one if there is none. Rejects with `timeout` (after 2 s unless
   * given otherwise), `aborted` or `stopped`, and with `body_malformed` where a push is no message of Supapush.
   */
  async nextMessage(options: WaitOptions = { timeoutMs: TIMEOUT_MS }): Promise<TestMessage> {
    return readTestMessage(await this.#device.next(options));
  }

  /**
   * Sets what its push service answers to the next messages, one after the other: a status, as `410`, or an answer with all that
   * it has, as `{ kind: 'status', status: 429, retryAfter: 30, times: 2 }`. 201 takes the message, as does everything after
   * these; without any, what was set before ends.
   */
  answer(...answers: (number | ScriptedAnswer)[]): void {
    this.#service.script(
      this.#device.endpoint,
      answers.map((answer): ScriptedAnswer => {
        if (typeof answer !== 'number') return answer;
        return answer === 201 ? { kind: 'accept' } : { kind: 'status', status: answer };
      }),
    );
  }

  /** Whether its row is still there: the database deletes it when the push service says that the device is gone. */
  async isRegistered(): Promise<boolean> {
    const rows = await this.#sql`select from public.push_subscriptions as s where s.id = ${this.id}::uuid`;
    return rows.length > 0;
  }

  /** From now on its push service keeps messages for their TTL. */
  offline(): void {
    this.#device.offline();
  }

  /** Comes back, and gets what was kept. */
  online(): void {
    this.#device.online();
  }

  /** Unsubscribes as a browser does whose user takes the permission back: its push service answers 410 from now on. */
  unsubscribe(): void {
    this.#device.remove();
  }
}

import {
  type DeviceReceipt,
  MAX_ACTION_LENGTH,
  MAX_RECEIPTS,
  type ReceiptEvent,
} from '../../shared/device-message.ts';
import type { Queued } from '../shared/push-store.ts';
import type { NotificationMark } from './push-message.ts';
import type { WorkerState } from './worker-state.ts';

// A device that is never reached again must not fill its disk.
const MAX_KEPT = 1000;
// Ours have at most 42 bytes; one that makes a request too large would take all others along.
const MAX_TOKEN_LENGTH = 100;

/** Receipts on their way to `push-events`: in the store first, so that neither a closed browser nor a lost network loses them. */
export class ReceiptQueue {
  readonly #state: WorkerState;
  /** What the store would not take, for as long as the worker lives. */
  #unsaved: DeviceReceipt[] = [];
  #sending: Promise<boolean> = Promise.resolve(true);
  #next: Promise<boolean> | null = null;

  constructor(state: WorkerState) {
    this.#state = state;
  }

  /** Notes one receipt and sends all that wait. Never rejects. */
  async report(mark: NotificationMark, event: ReceiptEvent, action?: string): Promise<void> {
    const wanted = this.#state.options.receipts?.includes(event) ?? true;
    if (wanted && mark.receipt && mark.receipt.length <= MAX_TOKEN_LENGTH) {
      const receipt: DeviceReceipt = {
        receipt: mark.receipt,
        event,
        ...(action === undefined ? {} : { action: action.slice(0, MAX_ACTION_LENGTH) }),
        at: new Date().toISOString(),
      };
      await this.#state
        .withStore((store) => store.add('receipts', receipt))
        .catch(() => this.#unsaved.push(receipt));
    }
    await this.flush();
  }

  /** Sends all receipts that wait; parallel calls share one request. False when a receipt could not be sent. Never rejects. */
  flush(): Promise<boolean> {
    this.#next ??= this.#sending.then(() => {
      this.#next = null;
      this.#sending = this.#sendAll().catch(() => false);
      return this.#sending;
    });
    return this.#next;
  }

  async #sendAll(): Promise<boolean> {
    for (;;) {
      const saved = (await this.#state.readStore((store) => store.all('receipts'))) ?? [];
      const unsaved = this.#unsaved.slice(0, MAX_RECEIPTS);
      const batch = saved.slice(0, MAX_RECEIPTS - unsaved.length);
      if (unsaved.length + batch.length === 0) return true;
      const receipts = [...unsaved, ...batch.map(({ value }) => value as DeviceReceipt)];
      const url = await this.#state.eventsUrl();
      if (url === undefined || (await this.#state.post(url, { receipts })) === null) {
        await this.#keep(saved);
        return false;
      }
      // Whether it was taken or refused: sending it again would change nothing.
      this.#unsaved = this.#unsaved.slice(unsaved.length);
      if (batch.length > 0) await this.#remove(batch);
    }
  }

  async #keep(saved: Queued[]): Promise<void> {
    this.#unsaved = this.#unsaved.slice(-MAX_KEPT);
    if (saved.length > MAX_KEPT) await this.#remove(saved.slice(0, saved.length - MAX_KEPT));
    await this.#state.syncLater();
  }

  async #remove(queued: Queued[]): Promise<void> {
    await this.#state.withStore((store) =>
      store.remove(
        'receipts',
        queued.map(({ id }) => id),
      ),
    );
  }
}

import { within } from '../shared/time-limit.ts';
import { markOf, type ShownOptions } from './push-message.ts';
import type { WorkerState } from './worker-state.ts';

/** Milliseconds after which a browser that does not say what it shows is no longer waited for. */
const COUNT_LIMIT = 2000;

/**
 * What is on the screen, and its number on the app's icon.
 *
 * Chromium, asked what is shown, forgets a notification that is on its way to the screen at that moment, and a click on it
 * would be lost. So nothing is counted while something is being shown, and nothing shown while something is being counted.
 */
export class Display {
  readonly #state: WorkerState;
  /** How often the screen was cleared. A message that was read before a clear must not be shown after it. */
  clears = 0;
  #showing = 0;
  /** The last showing of each tag, as long as the worker lives. */
  readonly #last = new Map<string, string>();
  #shown: Promise<unknown> = Promise.resolve();
  #counting: Promise<unknown> = Promise.resolve();
  #inTurn: Promise<unknown> = Promise.resolve();

  constructor(state: WorkerState) {
    this.#state = state;
  }

  /** Shows a notification with all that was asked for, or else, since browsers differ in what they refuse, with less. */
  async show(title: string, options: ShownOptions, defaultTitle: string): Promise<void> {
    const { registration } = this.#state.scope;
    const { body, tag } = options;
    const showing = crypto.randomUUID();
    const data = { ...options.data, supapush: { ...options.data.supapush, showing } };
    const plain = { ...(body === undefined ? {} : { body }), ...(tag === undefined ? {} : { tag }), data };
    this.#showing++;
    const shown = this.#counting
      .then(() => {
        if (tag) this.#last.set(tag, showing);
        return registration.showNotification(title, { ...options, data });
      })
      .catch(() => registration.showNotification(title, plain))
      .catch(() => registration.showNotification(defaultTitle, { data: { supapush: data.supapush } }))
      .finally(() => this.#showing--);
    this.#shown = Promise.allSettled([this.#shown, shown]);
    await shown;
  }

  /**
   * Shows a message unless a newer one of its tag is on the screen: a push service may hand over the older one later. Then the
   * newer one is shown again without a sound, since browsers want something to be shown for each push.
   *
   * Resolves to whether the message itself is shown.
   */
  showNewest(title: string, options: ShownOptions, defaultTitle: string): Promise<boolean> {
    // One after the other: of two that come at once, neither is looked for before the other is on the screen.
    const turn = this.#inTurn.then(async () => {
      const newer = await this.#newerThan(options);
      await (newer
        ? this.show(newer.title, againOf(newer), defaultTitle)
        : this.show(title, options, defaultTitle));
      return !newer;
    });
    this.#inTurn = turn.catch(() => undefined);
    return turn;
  }

  async #newerThan({ tag, data }: ShownOptions): Promise<Notification | undefined> {
    const { position } = data.supapush;
    if (!position) return undefined;
    await within(COUNT_LIMIT, this.#shown).catch(() => undefined);
    const listing = within(
      COUNT_LIMIT,
      this.#state.scope.registration.getNotifications({ tag: tag ?? '' }),
    ).catch(() => []);
    this.#counting = listing;
    return (await listing).find((one) => (markOf(one)?.position ?? 0) > position);
  }

  /** Whether another of its tag has taken its place since: Firefox says of the one before that it was closed. */
  isReplaced(tag: string, showing: string | undefined): boolean {
    const last = this.#last.get(tag);
    return last !== undefined && last !== showing;
  }

  /** Closes all that we show and removes the number on the app's icon: the next user must not see them. Never rejects. */
  async clear(): Promise<void> {
    this.clears++;
    // What is on its way to the screen is not listed yet.
    await within(COUNT_LIMIT, this.#shown).catch(() => undefined);
    const listing = within(COUNT_LIMIT, this.#state.scope.registration.getNotifications());
    this.#counting = listing.catch(() => undefined);
    for (const notification of await listing.catch(() => [])) {
      const mark = markOf(notification);
      if (mark === null) continue;
      // It was not their user who dismissed them.
      if (mark.receipt !== undefined) this.#state.notDismissed.add(mark.receipt);
      notification.close();
    }
    await this.updateBadge(0).catch(() => undefined);
  }

  /**
   * Sets the badge of the app's icon to `badge`, or to the number of our notifications that are shown.
   *
   * `closed` is the id of one that was closed a moment ago, which some browsers still list.
   */
  async updateBadge(badge?: number, closed?: string): Promise<void> {
    const { navigator } = this.#state.scope;
    if (this.#state.options.appBadge === false || !navigator.setAppBadge) return;
    if (badge !== undefined) return await navigator.setAppBadge(badge);
    // The one that is being shown will count when it is done.
    if (this.#showing > 0) return;
    const counting = within(COUNT_LIMIT, this.#count(closed));
    this.#counting = counting.catch(() => undefined);
    await navigator.setAppBadge(await counting);
  }

  async #count(closed?: string): Promise<number> {
    const marks = (await this.#state.scope.registration.getNotifications()).map(markOf);
    return marks.filter((mark) => mark && (closed === undefined || mark.notification_id !== closed)).length;
  }
}

/** The options by which a notification that is on the screen is shown once more, without a sound. */
function againOf(notification: Notification): ShownOptions {
  const options: Record<string, unknown> = {};
  const shown = notification as unknown as Record<string, unknown>;
  // An empty icon would be looked for at an empty URL.
  for (const name in shown) if (shown[name]) options[name] = shown[name];
  return { ...options, silent: true, renotify: false, vibrate: undefined } as unknown as ShownOptions;
}

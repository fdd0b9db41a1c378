import type { Outcome } from '../../../src/server/channels/channel.ts';
import { createPace, type Pace, type PlacesAllowed } from '../../../src/server/dispatch/pace.ts';
import { SENT } from './in-memory-queue.ts';

/** What a push service does with a request that begins now: its answer, and milliseconds until then. */
export type Service = (request: { userId: string; now: number; underWay: number }) => {
  outcome: Outcome;
  after: number;
};

export const throttled = (status: 429 | 503 | 406 = 429): Outcome => ({
  outcome: 'retry',
  status,
  code: 'throttled',
  message: '',
  retryAfterSeconds: null,
});

/** What was accepted and refused in one second of the simulation. */
export interface Second {
  accepted: number;
  refused: number;
}

/**
 * Dispatchers that always have something to send, and a push service, on a clock that jumps from event to event: a minute takes
 * no time.
 */
export class Simulation {
  now = 0;
  readonly seconds: Second[] = [];
  readonly paces: Pace[];
  readonly #service: Service;
  readonly #userOf: () => string;
  readonly #underWay: number[];
  readonly #isWaiting: boolean[];
  #events: { at: number; run: () => void }[] = [];

  constructor(options: {
    service: Service;
    dispatchers?: number;
    places?: PlacesAllowed;
    /** Whose turn it is; a thousand users in turn, unless given. */
    userOf?: () => string;
  }) {
    let turn = 0;
    const { service, dispatchers = 1, places = { first: 50, most: 2000 } } = options;
    this.#service = service;
    this.#userOf = options.userOf ?? (() => `user-${turn++ % 1000}`);
    this.paces = Array.from({ length: dispatchers }, () => createPace(places));
    this.#underWay = this.paces.map(() => 0);
    this.#isWaiting = this.paces.map(() => false);
    for (const index of this.paces.keys()) this.#at(0, () => this.#fill(index));
  }

  /** Lets so many seconds pass. */
  run(seconds: number): this {
    const end = this.now + seconds * 1000;
    for (let next = this.#events[0]; next !== undefined && next.at <= end; next = this.#events[0]) {
      this.#take();
      this.now = next.at;
      next.run();
    }
    this.now = end;
    return this;
  }

  /** All of the last seconds together, per second. */
  last(seconds: number): Second {
    const some = this.seconds.slice(Math.floor(this.now / 1000) - seconds, Math.floor(this.now / 1000));
    const sum = (of: keyof Second) =>
      some.reduce((total, second) => total + (second?.[of] ?? 0), 0) / seconds;
    return { accepted: sum('accepted'), refused: sum('refused') };
  }

  #fill(index: number): void {
    const pace = this.paces[index] as Pace;
    for (;;) {
      if (this.#isWaiting[index]) return;
      const wait = pace.wait(this.now);
      if (wait > 0) {
        this.#isWaiting[index] = true;
        this.#at(this.now + wait, () => {
          this.#isWaiting[index] = false;
          this.#fill(index);
        });
        return;
      }
      if ((this.#underWay[index] ?? 0) >= pace.places) {
        pace.wanted();
        return;
      }
      this.#send(index, pace);
    }
  }

  #send(index: number, pace: Pace): void {
    const userId = this.#userOf();
    const beganAt = this.now;
    pace.began(beganAt);
    const underWay = this.#underWay.reduce((sum, each) => sum + each, 0);
    this.#underWay[index] = (this.#underWay[index] ?? 0) + 1;
    const { outcome, after } = this.#service({ userId, now: beganAt, underWay });
    this.#at(beganAt + after, () => {
      this.#underWay[index] = (this.#underWay[index] ?? 0) - 1;
      const second = Math.floor(this.now / 1000);
      this.seconds[second] ??= { accepted: 0, refused: 0 };
      this.seconds[second][outcome === SENT ? 'accepted' : 'refused'] += 1;
      pace.ended(userId, outcome, beganAt, this.now);
      this.#fill(index);
    });
  }

  /** A heap: tens of thousands of events wait at a time. */
  #at(at: number, run: () => void): void {
    const events = this.#events;
    let place = events.push({ at, run }) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if ((events[parent] as { at: number }).at <= at) break;
      [events[place], events[parent]] = [events[parent] as never, events[place] as never];
      place = parent;
    }
  }

  #take(): void {
    const events = this.#events;
    const last = events.pop();
    if (last === undefined || events.length === 0) return;
    events[0] = last;
    let place = 0;
    for (;;) {
      const [left, right] = [2 * place + 1, 2 * place + 2];
      let least = place;
      if (left < events.length && at(events, left) < at(events, least)) least = left;
      if (right < events.length && at(events, right) < at(events, least)) least = right;
      if (least === place) return;
      [events[place], events[least]] = [events[least] as never, events[place] as never];
      place = least;
    }
  }
}

const at = (events: { at: number }[], place: number) => events[place]?.at ?? 0;

/** Always accepts, after so many milliseconds. */
export const answersAfter =
  (after: number): Service =>
  () => ({ outcome: SENT, after });

/** Works off so many a second, one after another, and answers at the earliest after so many milliseconds. */
export function worksOff(perSecond: number, after: number): Service {
  let freeAt = 0;
  return ({ now }) => {
    freeAt = Math.max(freeAt, now) + 1000 / perSecond;
    return { outcome: SENT, after: Math.max(after, freeAt - now) };
  };
}

/** Admits so many a second, in each window of so many milliseconds its part, and refuses what comes beyond. */
export function admits(perSecond: number, windowMs: number, after: number): Service {
  let window = -1;
  let left = 0;
  return ({ now }) => {
    const current = Math.floor(now / windowMs);
    if (current !== window) {
      window = current;
      left = (perSecond * windowMs) / 1000;
    }
    if (left < 1) return { outcome: throttled(), after };
    left -= 1;
    return { outcome: SENT, after };
  };
}

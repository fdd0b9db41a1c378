import type { Outcome } from '../channels/channel.ts';
import { createPlaces } from './places.ts';
import { createSendingRate } from './sending-rate.ts';
import { createTally } from './tally.ts';

/** How fast one dispatcher sends to one push service: so many at once, and while the service throttles so many a second. */
export interface Pace {
  /** How many may be under way. */
  readonly places: number;
  /** What the service accepted per second when it last throttled; undefined while it does not. */
  readonly accepted: number | undefined;
  /** The same, where the service throttled this dispatcher in the last minute. */
  found(now: number): number | undefined;
  /** Milliseconds until the next request may begin, however many places there are. */
  wait(now: number): number;
  began(now: number): void;
  /** A request of this user's that began at `beganAt` has its outcome. */
  ended(userId: string, outcome: Outcome, beganAt: number, now: number): void;
  /** A delivery had to wait because all places were taken. */
  wanted(): void;
  /** How many deliveries are to wait, so that there is always a next one while the claim for more is under way. */
  ahead(now: number): number;
  /** Begins at what another dispatcher found to be accepted, unless this one has found out something itself. */
  recall(accepted: number, now: number): void;
}

/** With how many places a push service begins, and how many it may get. */
export interface PlacesAllowed {
  first: number;
  most: number;
}

/** What a claim and the way to it take at most, mostly. */
const AHEAD_SECONDS = 0.25;
/** A service that throttles gets few, and what it does not get in time is lost. */
const AHEAD_OF_LIMITED_SECONDS = 1;
const LEAST_AHEAD = 10;

export function createPace(allowed: PlacesAllowed): Pace {
  const places = createPlaces(allowed);
  const rate = createSendingRate();
  const tally = createTally();
  let isKnown = false;
  return {
    get places() {
      return places.count;
    },
    get accepted() {
      return rate.accepted;
    },
    found: rate.found,
    wait: rate.wait,
    began: rate.began,
    wanted: places.wanted,
    ended(userId, outcome, beganAt, now) {
      // Only what the service said, or that it did not say anything in time: a connection that is refused is no quick answer.
      const unanswered = 'code' in outcome && outcome.code === 'timed_out';
      if (outcome.status === null && !unanswered) return;
      isKnown = true;
      const throttled = isThrottled(outcome);
      tally.add(outcome.outcome === 'sent', now);
      if (rate.answered({ userId, throttled, beganAt, now }, () => tally.rates(now))) places.halve();
      if (outcome.outcome === 'sent' || unanswered) places.answered(userId, now - beganAt, now);
    },
    ahead(now) {
      const perSecond = rate.perSecond(now);
      if (perSecond !== undefined) return Math.ceil(perSecond * AHEAD_OF_LIMITED_SECONDS);
      if (!isKnown) return places.count;
      return Math.max(
        Math.min(LEAST_AHEAD, places.count),
        Math.ceil(tally.rates(now).answered * AHEAD_SECONDS),
      );
    },
    recall(accepted, now) {
      if (isKnown || rate.accepted !== undefined) return;
      rate.recall(accepted, now);
    },
  };
}

/** As `push.judge_failures()` reads it: 503 is how Mozilla throttles, 406 how Windows does. */
function isThrottled(outcome: Outcome): boolean {
  return outcome.outcome === 'retry' && [429, 503, 406].includes(outcome.status ?? 0);
}

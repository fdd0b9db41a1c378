import { FEW_USERS } from './few-users.ts';

/** How many requests may be under way at one push service, found out by how long its answers take. */
export interface Places {
  readonly count: number;
  /** A delivery had to wait because all places were taken. */
  wanted(): void;
  /** An answer for a device of this user took so many milliseconds. */
  answered(userId: string, milliseconds: number, now: number): void;
  /** The service throttles. */
  halve(): void;
}

/** Additive increase, each round trip, and multiplicative decrease while answers are slow. */
const STEP = 25;
const FEWER = 7 / 8;
/** Fewer would be taken by a few users whose devices do not answer. */
const LEAST = 10;
/** Answers are slower from so many times the shortest time on, and this: what a busy process adds says nothing of the service. */
const SLOWER = 1.5;
const SLACK_MS = 10;
/** How long the shortest time of an answer is believed. */
const SHORTEST_FOR_MS = 30_000;

/**
 * Begins with `first` places and doubles them each round trip in which they were all taken, until answers take half as long
 * again as with few: more places would bring longer queues and not more messages. From then on it adds a few each round trip
 * while answers are quick, and takes an eighth while they are slow.
 *
 * A round trip is as many answers as there are places. What it took is the median over users, each of whom counts once: one
 * user's slow devices do not decide, and with no more than five users nothing is decided.
 *
 * Unless answers were as quick as ever in the last half minute, places are halved, or lowered to those that make no queue, and
 * found again. Otherwise the queue would soon look like the time that the service takes.
 */
export function createPlaces({ first, most }: { first: number; most: number }): Places {
  let count = Math.min(first, most);
  let doubling = true;
  let isWanted = false;
  let answers = 0;
  let times = new Map<string, number>();
  let shortest = Number.POSITIVE_INFINITY;
  let shortestSince = 0;
  let loweredAt = Number.NEGATIVE_INFINITY;
  let isLooking = false;

  const endRound = (now: number): void => {
    const time = medianOf([...times.values()]);
    const wasWanted = isWanted;
    answers = 0;
    times = new Map();
    isWanted = false;
    if (now - shortestSince > SHORTEST_FOR_MS) {
      shortestSince = now;
      // Half of them, or fewer where more than half wait in the queue.
      const fewer = Math.max(first, Math.ceil(count * Math.min(0.5, shortest / time)));
      shortest = time;
      if (fewer < count) {
        count = fewer;
        loweredAt = now;
        isLooking = true;
        return;
      }
    }
    if (time <= shortest) {
      shortest = time;
      shortestSince = now;
    }
    if (isLooking) {
      isLooking = false;
      doubling = true;
      return;
    }
    if (isSlower(time, shortest)) {
      // Not the first time: what is under way was sent before the places were doubled.
      if (!doubling) count = Math.max(Math.min(first, count), Math.ceil(count * FEWER));
      doubling = false;
    } else if (wasWanted) count = Math.min(most, doubling ? 2 * count : count + STEP);
  };

  return {
    get count() {
      return count;
    },
    wanted() {
      isWanted = true;
    },
    answered(userId, milliseconds, now) {
      // What was under way when places were lowered has waited in the queue.
      if (now - milliseconds < loweredAt) return;
      answers += 1;
      times.set(userId, milliseconds);
      if (answers >= count && times.size > FEW_USERS) endRound(now);
    },
    halve() {
      count = Math.max(Math.min(LEAST, most), Math.ceil(count / 2));
      doubling = false;
    },
  };
}

function isSlower(time: number, shortest: number): boolean {
  return time > SLOWER * shortest + SLACK_MS;
}

function medianOf(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}

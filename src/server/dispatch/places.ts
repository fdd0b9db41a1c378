import { FEW_USERS } from './few-users.ts';

/** How many requests may be under way at one push service, found out by how long its answers take. */
export interface Places {
  readonly count: number;
  /** A delivery had to wait because all places were taken. */
  wanted(): void;
  /** An answer for a device of this user took so many milliseconds. */
  answered(userId: string, milliseconds: number, now: number): void;
  /** Halves them: the service throttles. */
  halve(): void;
}

/** Additive increase, each round trip. */
const STEP = 25;
/** Fewer would be taken by a few users whose devices do not answer. */
const LEAST = 10;
/** Answers count as slower from twice the time and this on: what a busy process adds says nothing of the service. */
const SLACK_MS = 10;
/** How long the shortest time of an answer is believed. */
const SHORTEST_FOR_MS = 30_000;
/** Round trips in which halved places show what an answer takes without a queue. */
const ROUNDS_TO_LOOK = 2;

/**
 * Begins with `first` places and doubles them each round trip in which they were all taken, until answers take twice as long as
 * with few: from then on more places bring longer queues and not more messages. While answers are quick, it adds a few
 * each round trip.
 *
 * A round trip is as many answers as there are places. What it took is the median over users, each of whom counts once: one
 * user's slow devices do not decide, and with no more than five users nothing is decided.
 *
 * Where places stay at the point at which answers take longer, they are halved every half minute and found again. Otherwise
 * the queue that they make would soon look like the time that the service takes.
 */
export function createPlaces({ first, most }: { first: number; most: number }): Places {
  let count = Math.min(first, most);
  let doubling = true;
  let isWanted = false;
  let answers = 0;
  let times = new Map<string, number>();
  let shortest = Number.POSITIVE_INFINITY;
  let shortestSince: number | undefined;
  let looking = 0;

  const endRound = (now: number): void => {
    const time = medianOf([...times.values()]);
    const wasWanted = isWanted;
    answers = 0;
    times = new Map();
    isWanted = false;
    if (shortestSince === undefined || now - shortestSince > SHORTEST_FOR_MS) {
      if (isSlower(time, shortest) && count > first) {
        count = Math.max(first, Math.ceil(count / 2));
        looking = ROUNDS_TO_LOOK;
        doubling = true;
      }
      shortest = Number.POSITIVE_INFINITY;
      shortestSince = now;
    }
    shortest = Math.min(shortest, time);
    if (looking > 0) {
      looking -= 1;
      // What was under way before the places were halved has waited in the queue.
      if (looking > 0) shortest = Number.POSITIVE_INFINITY;
      return;
    }
    if (isSlower(time, shortest)) doubling = false;
    else if (wasWanted) count = Math.min(most, doubling ? 2 * count : count + STEP);
  };

  return {
    get count() {
      return count;
    },
    wanted() {
      isWanted = true;
    },
    answered(userId, milliseconds, now) {
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
  return time > 2 * shortest + SLACK_MS;
}

function medianOf(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}

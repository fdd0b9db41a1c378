import { FEW_USERS } from './few-users.ts';

/** How many requests a second may begin at a push service that throttles; all, while it does not. */
export interface SendingRate {
  /** What it accepted per second when it last throttled; undefined while it does not. */
  readonly accepted: number | undefined;
  /** The same, where the service throttled this dispatcher in the last minute: for others. */
  found(now: number): number | undefined;
  /** Per second; undefined: as many as there are. */
  perSecond(now: number): number | undefined;
  /** Milliseconds until one more request may begin, 0 where it may now. */
  wait(now: number): number;
  /** A request begins. */
  began(now: number): void;
  /**
   * An answer for a device of this user, to a request that began at `beganAt`. True when the rate was lowered for it.
   *
   * @param rates what was answered and accepted per second lately
   */
  answered(
    answer: { userId: string; throttled: boolean; beganAt: number; now: number },
    rates: () => { answered: number; accepted: number },
  ): boolean;
  /** Begins as if the service had throttled now: another dispatcher found that it accepts so many of one. */
  recall(accepted: number, now: number): void;
}

/** More of the users than this are refused before the rate is lowered, and more than `FEW_USERS`. */
const SHARE = 1 / 20;
/** Answers are judged together until so many users have one, or for so long. */
const MOST_USERS = 200;
const JUDGED_FOR_MS = 30_000;
/** Of CUBIC (RFC 9438 section 4.2): the rate is back where it was refused after two thirds of this, and twice as high after 1.7 of it. */
const SCALE_MS = 10_000;
const LOWERED_TO = 0.7;
const BACK_AFTER = Math.cbrt(1 - LOWERED_TO);
/** The rate ends where it has grown so far, or so much time has passed, without the service throttling. */
const ENDS_AT = 4;
const ENDS_AFTER_MS = 60_000;
/** One refusal lowers what is believed to be accepted to an eighth at most. */
const LEAST_SHARE = 1 / 8;
/**
 * The rate is lowered to so many a second at least: in a quiet hour, when little is accepted because little is sent, a few accounts
 * whose devices refuse would bring a service to a standstill for all. Devices that are refused back off by themselves, and a service
 * that takes nothing at all is paused.
 */
const LEAST = 10;
/** What was not sent in time is made up for: of so many milliseconds. */
const BURST_MS = 50;

/**
 * When a service throttles, the rate falls to seven tenths of what it accepted, and grows as CUBIC does: quickly to just below
 * that, slowly past it, then faster and faster. So most of what the service admits is used, and little is refused.
 *
 * It throttles when more than one in twenty users is refused, and more than five. A median would notice only when half of the
 * messages are refused. Once lowered, answers to what began before do not count: that is once a round trip.
 */
export function createSendingRate(): SendingRate {
  let accepted: number | undefined;
  let grownMs = 0;
  let tokens = 0;
  let updatedAt = 0;
  let loweredAt = Number.NEGATIVE_INFINITY;
  let isWaitedFor = false;
  let isOwn = false;
  let balances = new Map<string, number>();
  let refusedUsers = 0;
  let judgedSince = 0;

  const forget = (now: number): void => {
    balances = new Map();
    refusedUsers = 0;
    judgedSince = now;
  };

  const begin = (perSecond: number, isFound: boolean, now: number): void => {
    isOwn = isFound;
    accepted = Math.max(LEAST, perSecond);
    grownMs = 0;
    tokens = 0;
    updatedAt = now;
    loweredAt = now;
    isWaitedFor = false;
    forget(now);
  };

  const current = (): number | undefined =>
    accepted === undefined ? undefined : accepted * (1 + (grownMs / SCALE_MS - BACK_AFTER) ** 3);

  /** Lets time pass: requests may begin, and where some wait for that, the rate grows. */
  const update = (now: number): void => {
    if (accepted === undefined) return;
    const passed = now - updatedAt;
    updatedAt = now;
    if (isWaitedFor) grownMs += passed;
    const rate = current() ?? 0;
    const most = Math.max(1, (rate * BURST_MS) / 1000);
    tokens += (rate * passed) / 1000;
    if (tokens >= most) {
      tokens = most;
      isWaitedFor = false;
    }
    if (rate >= ENDS_AT * accepted || now - loweredAt > ENDS_AFTER_MS) accepted = undefined;
  };

  return {
    get accepted() {
      return accepted;
    },
    found(now) {
      update(now);
      return isOwn ? accepted : undefined;
    },
    perSecond(now) {
      update(now);
      return current();
    },
    wait(now) {
      update(now);
      const rate = current();
      if (rate === undefined || tokens >= 1) return 0;
      isWaitedFor = true;
      return Math.ceil(((1 - tokens) / rate) * 1000 - 1e-6);
    },
    began(now) {
      update(now);
      tokens -= 1;
    },
    answered({ userId, throttled, beganAt, now }, rates) {
      if (beganAt < loweredAt) return false;
      if (now - judgedSince > JUDGED_FOR_MS || balances.size >= MOST_USERS) forget(now);
      const before = balances.get(userId) ?? 0;
      const after = before + (throttled ? -1 : 1);
      balances.set(userId, after);
      if (after < 0 && before >= 0) refusedUsers += 1;
      if (after >= 0 && before < 0) refusedUsers -= 1;
      if (!throttled || refusedUsers <= Math.max(FEW_USERS, SHARE * balances.size)) return false;
      const lately = rates();
      begin(Math.max(lately.accepted, LEAST_SHARE * lately.answered), true, now);
      return true;
    },
    recall: (perSecond, now) => begin(perSecond, false, now),
  };
}

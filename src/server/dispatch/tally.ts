/** Answers of a push service in the last two seconds. */
export interface Tally {
  add(accepted: boolean, now: number): void;
  /** Per second: answers, and those of them that accepted a message. */
  rates(now: number): { answered: number; accepted: number };
}

const PART_MS = 250;
/** Two seconds: services that count by the second accept all in its first part, and nothing in the rest. */
const PARTS = 8;

/** Counts answers in quarters of a second. */
export function createTally(): Tally {
  let parts: { number: number; answered: number; accepted: number }[] = [];
  let first: number | undefined;
  return {
    add(accepted, now) {
      first ??= now;
      const number = Math.floor(now / PART_MS);
      let part = parts.at(-1);
      if (part?.number !== number) {
        part = { number, answered: 0, accepted: 0 };
        parts = [...parts.filter((each) => each.number > number - PARTS), part];
      }
      part.answered += 1;
      if (accepted) part.accepted += 1;
    },
    rates(now) {
      const number = Math.floor(now / PART_MS);
      const counted = parts.filter((part) => part.number > number - PARTS);
      const began = Math.max(first ?? now, (number - PARTS + 1) * PART_MS);
      const seconds = Math.max(now - began, PART_MS) / 1000;
      const sum = (of: 'answered' | 'accepted') =>
        counted.reduce((total, part) => total + part[of], 0) / seconds;
      return { answered: sum('answered'), accepted: sum('accepted') };
    },
  };
}

import { type AlertInput, MORNING, type Quote } from '../../support/alerts.ts';
import { ReferenceAlert } from './reference-alert.ts';

const MINUTE = 60_000;
const STALE = 30 * MINUTE;
const KINDS = ['above', 'below', 'crosses_above', 'crosses_below', 'crosses', 'percent_change', 'level'];

type Random = () => number;
export const pick = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;

/** Any alert, near the values that a walk goes through, so that a good part of them fires. */
export function randomAlert(random: Random, symbol: string): AlertInput {
  const condition = pick(random, KINDS);
  const hours = random() < 0.2;
  return {
    symbol,
    condition,
    threshold:
      condition === 'level'
        ? null
        : condition === 'percent_change'
          ? pick(random, [1, 2, 5])
          : 97 + Math.floor(random() * 7),
    window_minutes: condition === 'percent_change' ? pick(random, [1, 5, 10]) : 0,
    direction: condition === 'percent_change' ? pick(random, ['up', 'down', 'either']) : null,
    level: condition === 'level' ? 'line' : null,
    level_condition: condition === 'level' ? pick(random, KINDS.slice(0, 5)) : null,
    hysteresis: pick(random, [0, 0, 1, 2, 3.5, 12]),
    hysteresis_unit: pick(random, ['absolute', 'percent']),
    cooldown: pick(random, ['0 minutes', '0 minutes', '2 minutes', '7 minutes']),
    recurring: random() < 0.85,
    expires_at: random() < 0.1 ? new Date(MORNING.getTime() + Math.floor(random() * 25) * MINUTE) : null,
    active_from: hours ? pick(random, ['08:05', '22:30']) : null,
    active_until: hours ? pick(random, ['08:12', '08:20']) : null,
    timezone: hours ? 'UTC' : null,
  };
}

/** One symbol: its walk, what is known of it, and the alerts that look at it. */
export class RandomSymbol {
  readonly symbol: string;
  readonly alerts: { input: AlertInput; reference: ReferenceAlert }[];
  level: number | null = null;
  #value: number;
  #latest: { value: number; at: number } | null = null;
  #history = new Map<number, number>();
  #said: Quote[] = [];
  readonly #random: Random;

  constructor(random: Random, symbol: string) {
    this.#random = random;
    this.symbol = symbol;
    this.#value = 97 + Math.floor(random() * 7);
    this.alerts = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, index) => {
      const input = { ...randomAlert(random, symbol), setup: `${symbol} ${index}` };
      return { input, reference: new ReferenceAlert(input) };
    });
  }

  /** What a source says of it at this moment, in any order, and what the alerts make of that. */
  quotes(now: number): Quote[] {
    const random = this.#random;
    const said: Quote[] = [];
    for (let left = pick(random, [0, 1, 1, 1, 1, 1, 1, 2, 3]); left > 0; left -= 1) {
      // Mostly small steps to and fro; nothing; or a gap that jumps over all there is.
      this.#value += pick(random, [-1, -1, 1, 1, 2, -2, 0, 0, 0.5, -0.5, 12, -12]);
      if (this.#value < 60 || this.#value > 140) this.#value = 100;
      const late = random() < 0.06 ? Math.floor(random() * 6) * MINUTE + 1 : 0;
      const stale = random() < 0.02 ? STALE : 0;
      said.push({
        symbol: this.symbol,
        value: this.#value,
        quoted_at: new Date(now - left * 1000 - late - stale),
      });
    }
    // The same once more, as after an answer that was lost; another value for a moment that is known; and what is no value.
    if (random() < 0.06 && this.#said.length > 0) said.push(pick(random, this.#said));
    if (random() < 0.03 && this.#said.length > 0) said.push({ ...pick(random, this.#said), value: 1000 });
    if (random() < 0.03)
      said.push({ symbol: this.symbol, value: pick(random, [null, 'NaN', '-Infinity', {}, true]) });
    this.#said.push(...said.filter(({ value }) => typeof value === 'number'));
    this.#take(said, now);
    return said;
  }

  #take(said: Quote[], now: number): void {
    const valid = said.filter((quote) => typeof quote.value === 'number');
    const inTime = valid.toSorted(
      (a, b) => (a.quoted_at as Date).getTime() - (b.quoted_at as Date).getTime(),
    );
    const late: [number, number][] = [];
    for (const { value, quoted_at } of inTime as { value: number; quoted_at: Date }[]) {
      const at = quoted_at.getTime();
      if (this.#latest && at <= this.#latest.at) {
        late.push([at, value]);
        continue;
      }
      this.#latest = { value, at };
      this.#history.set(at, value);
      if (at > now - STALE) this.#look(value, at, now);
    }
    // What comes late counts for later changes; what is known of a moment stays.
    for (const [at, value] of late) if (!this.#history.has(at)) this.#history.set(at, value);
  }

  #look(value: number, at: number, now: number): void {
    for (const { input, reference } of this.alerts) {
      const measure = input.window_minutes ? this.#change(value, at - input.window_minutes * MINUTE) : value;
      if (measure !== null) reference.observe(value, measure, now);
    }
  }

  #change(value: number, since: number): number | null {
    const before = [...this.#history.keys()].filter((at) => at <= since);
    const then = this.#history.get(Math.max(...before));
    return then === undefined ? null : ((value - then) / Math.abs(then)) * 100;
  }

  #fresh(now: number): number | null {
    return this.#latest && this.#latest.at > now - STALE ? this.#latest.value : null;
  }

  moveLevel(level: number | null, now: number): void {
    this.level = level;
    for (const { input, reference } of this.alerts) {
      if (input.condition === 'level') reference.levelMoved(level, this.#fresh(now));
    }
  }

  tend(now: number): void {
    for (const { reference } of this.alerts) reference.tend(this.#fresh(now), now);
  }
}

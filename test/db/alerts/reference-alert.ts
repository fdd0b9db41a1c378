import type { AlertInput } from '../../support/alerts.ts';

const MINUTE = 60_000;

/**
 * What an alert does, said once more and as plainly as possible: every alert looks at every value, remembers on which
 * side it was and whether it may fire, and knows nothing of lines. Hours are those of UTC.
 */
export class ReferenceAlert {
  readonly fired: { price: number; at: number }[] = [];
  enabled = true;
  disabledReason: string | null = null;
  heldBack = 0;
  heldUntil: number | null = null;
  /** Crossings that would fire, or null while no value is known. */
  ready: Set<'up' | 'down'> | null = null;
  readonly #alert: AlertInput;
  #at: number | null;

  constructor(alert: AlertInput) {
    this.#alert = alert;
    this.#at = alert.threshold ?? null;
  }

  get #kind(): 'up' | 'down' | 'both' | 'outside' {
    const { condition, level_condition: met, direction } = this.#alert;
    if (condition === 'percent_change')
      return direction === 'either' ? 'outside' : (direction as 'up' | 'down');
    const how = condition === 'level' ? met : condition;
    return how === 'crosses' ? 'both' : how?.endsWith('above') ? 'up' : 'down';
  }

  get armed(): boolean {
    if (!this.enabled || this.ready === null) return false;
    return this.ready.size === (this.#kind === 'outside' ? 2 : 1);
  }

  /** The thresholds that a rising and a falling value gets to. */
  #thresholds(): { up: number; down: number } {
    const at = this.#at as number;
    const percent = this.#alert.condition === 'percent_change';
    return { up: at, down: percent ? -at : at };
  }

  #margin(): number {
    const { hysteresis = 0, hysteresis_unit: unit } = this.#alert;
    return unit === 'percent' ? (Math.abs(this.#at as number) * hysteresis) / 100 : hysteresis;
  }

  /** Its level is now here, or unknown; the last value, when that is fresh, tells where it begins. */
  levelMoved(level: number | null, value: number | null): void {
    if (!this.enabled || this.#at === level) return;
    this.#at = level;
    this.#begin(value);
  }

  #begin(value: number | null): void {
    this.ready = null;
    this.heldUntil = null;
    if (value === null || this.#at === null) return;
    const { up, down } = this.#thresholds();
    this.ready = new Set();
    if (this.#kind !== 'down' && value < up) this.ready.add('up');
    if (this.#kind !== 'up' && value > down) this.ready.add('down');
    // One that looks to both sides of a band is ready within it alone.
    if (this.#kind === 'outside' && this.ready.size < 2)
      this.ready = new Set(value >= up ? ['down'] : ['up']);
  }

  /** The price, and what it looks at: the same, or the change in percent. */
  observe(price: number, measure: number, now: number): void {
    if (!this.enabled || this.#expires(now) || this.#at === null) return;
    const { up, down } = this.#thresholds();
    const margin = this.#margin();
    const crossesUp = this.ready?.has('up') && measure >= up;
    const crossesDown = this.ready?.has('down') && measure <= down;
    const leaves =
      this.ready !== null &&
      ((!this.ready.has('up') && this.#kind !== 'down' && measure < up - margin) ||
        (!this.ready.has('down') && this.#kind !== 'up' && measure > down + margin));

    if (this.ready === null) {
      this.#begin(measure);
    } else if (crossesUp || crossesDown) {
      this.ready.delete(crossesUp ? 'up' : 'down');
      if (this.#kind === 'both') {
        this.ready.clear();
        if (measure > up + margin) this.ready.add('down');
        if (measure < up - margin) this.ready.add('up');
      } else if (this.#kind === 'outside') {
        this.ready = new Set([crossesUp ? 'down' : 'up']);
      }
      this.#ring(price, now);
    } else if (leaves) {
      if (this.#kind === 'both') this.ready = new Set([measure > up ? 'down' : 'up']);
      else if (this.#kind === 'outside') this.ready = new Set(['up', 'down']);
      else this.ready = new Set([this.#kind]);
      this.heldUntil = null;
    }
  }

  /** Once a minute: the end of its time, and what was held back, by the last price if that is fresh. */
  tend(price: number | null, now: number): void {
    if (!this.enabled || this.#expires(now)) return;
    if (this.heldUntil === null || this.heldUntil > now || price === null) return;
    const at = this.#at as number;
    if (this.#kind === 'up' ? price >= at : price <= at) {
      this.#ring(price, now);
    } else {
      this.heldUntil = null;
      this.ready = new Set([this.#kind as 'up' | 'down']);
    }
  }

  #expires(now: number): boolean {
    const { expires_at: end } = this.#alert;
    if (!end || end.getTime() > now) return false;
    this.#end('expired');
    return true;
  }

  #end(reason: string): void {
    this.enabled = false;
    this.disabledReason = reason;
    this.heldUntil = null;
  }

  #ring(price: number, now: number): void {
    const opens = this.#opens(now);
    if (opens !== null) {
      if (this.heldUntil === null) this.heldBack += 1;
      const how = this.#alert.level_condition ?? this.#alert.condition;
      this.heldUntil = how === 'above' || how === 'below' ? opens : null;
      return;
    }
    this.heldUntil = null;
    this.fired.push({ price, at: now });
    if (!this.#alert.recurring) this.#end('fired');
  }

  #opens(now: number): number | null {
    const cooldown = Number.parseInt(this.#alert.cooldown ?? '0', 10) * MINUTE;
    const last = this.fired.at(-1);
    if (last && last.at + cooldown > now) return last.at + cooldown;
    const { active_from: from, active_until: until } = this.#alert;
    if (!from || !until) return null;
    const minuteOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
    for (let ahead = 0; ahead <= 24 * 60; ahead += 1) {
      const time = new Date(Math.floor(now / MINUTE) * MINUTE + ahead * MINUTE);
      const minute = time.getUTCHours() * 60 + time.getUTCMinutes();
      const [begin, end] = [minuteOf(from), minuteOf(until)];
      const isOpen = begin < end ? minute >= begin && minute < end : minute >= begin || minute < end;
      if (isOpen) return ahead === 0 ? null : time.getTime();
    }
    throw new RangeError('Never open.');
  }
}

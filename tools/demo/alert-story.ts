/** How one alert stands, as its owner reads it. */
export interface AlertState {
  enabled: boolean;
  times_fired: number;
  held_back: number;
  /** When it was last fired, and its cooldown after that. */
  cooldown_until: Date | null;
}

/** What became of a crossing; `done` when the alert was over already. */
export type Outcome = 'rang' | 'hysteresis' | 'cooldown' | 'hours' | 'done';

/** What an alert waits for, in words a demo can follow by itself. */
export interface AlertPlan {
  id: string;
  owner: string;
  symbol: string;
  /** As the table of the summary calls it. */
  label: string;
  rises: boolean;
  threshold: number;
  /** Where it must have been before it may ring again. */
  rearms: string;
  /** Compares with the value so many minutes before, in percent; 0 for the value itself. */
  window: number;
}

/**
 * Follows one alert beside the database: sees crossings by comparing two values that follow each other, knows nothing
 * of arms and lines, and learns what became of each from the alert's state.
 */
export class AlertStory {
  readonly plan: AlertPlan;
  crossings = 0;
  /** Firings without a crossing at that moment: what was held back, told afterwards. */
  toldLater = 0;
  readonly outcomes: Record<Outcome, number> = { rang: 0, hysteresis: 0, cooldown: 0, hours: 0, done: 0 };
  readonly #values: number[] = [];
  #last: number | undefined;
  #state: AlertState = { enabled: true, times_fired: 0, held_back: 0, cooldown_until: null };

  /** Begins with a new alert. */
  constructor(plan: AlertPlan) {
    this.plan = plan;
  }

  /** What its phone must have got. */
  get rings(): number {
    return this.outcomes.rang + this.toldLater;
  }

  /** Takes the value of one minute, and says whether it crossed the threshold: then it is what the alert looks at. */
  crosses(value: number): number | undefined {
    const { rises, threshold, window } = this.plan;
    this.#values.push(value);
    const earlier = this.#values.at(-1 - window);
    if (earlier === undefined) return undefined;
    const measure = window === 0 ? value : ((value - earlier) / earlier) * 100;
    const last = this.#last;
    this.#last = measure;
    if (last === undefined) return undefined;
    const crossed = rises
      ? last < threshold && measure >= threshold
      : last > threshold && measure <= threshold;
    return crossed ? measure : undefined;
  }

  /** Notes what the database made of a crossing at that moment. */
  crossed(state: AlertState, at: number): Outcome {
    const before = this.#state;
    this.#state = state;
    this.crossings++;
    const outcome = outcomeOf(before, state, at);
    this.outcomes[outcome]++;
    return outcome;
  }

  /** Whether it has fired without a crossing since its state was last looked at. */
  firedLater(state: AlertState): boolean {
    const fired = state.times_fired > this.#state.times_fired;
    if (fired) this.toldLater++;
    this.#state = state;
    return fired;
  }
}

function outcomeOf(before: AlertState, after: AlertState, at: number): Outcome {
  if (after.times_fired > before.times_fired) return 'rang';
  if (after.held_back > before.held_back)
    return after.cooldown_until !== null && after.cooldown_until.getTime() > at ? 'cooldown' : 'hours';
  return after.enabled ? 'hysteresis' : 'done';
}

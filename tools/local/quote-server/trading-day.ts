/** One quote of a day that is replayed. */
export interface DayQuote {
  symbol: string;
  value: number;
  /** Milliseconds since 1970. */
  at: number;
}

export interface TradingDayOptions {
  /** The same seed makes the same day. */
  seed: number;
  /** Each symbol with the value it opens near. */
  symbols: Readonly<Record<string, number>>;
  /** The opening, in milliseconds since 1970. */
  opensAt: number;
  /** 8.5 hours unless given. */
  hours?: number;
  /** Between two quotes of a symbol; 15 unless given. */
  stepSeconds?: number;
  /** Standard deviation of one step in percent; 0.03 unless given. */
  volatility?: number;
  /** The chance of a step that jumps, to twenty times the usual; 0.002 unless given. */
  gapChance?: number;
}

/** Makes a day of quotes: a random walk for each symbol, which opens with a gap and jumps now and then. By time. */
export function generateTradingDay(options: TradingDayOptions): DayQuote[] {
  const {
    seed,
    symbols,
    opensAt,
    hours = 8.5,
    stepSeconds = 15,
    volatility = 0.03,
    gapChance = 0.002,
  } = options;
  const random = seededRandom(seed);
  const steps = Math.floor((hours * 3600) / stepSeconds);
  const values = new Map(
    Object.entries(symbols).map(([symbol, close]) => [symbol, close * (1 + bell(random) / 200)]),
  );
  const quotes: DayQuote[] = [];
  for (let step = 0; step <= steps; step++) {
    const at = opensAt + step * stepSeconds * 1000;
    for (const [symbol, value] of values) {
      quotes.push({ symbol, value: round(value), at });
      const size = (volatility / 100) * (random() < gapChance ? 20 : 1);
      values.set(symbol, value * (1 + bell(random) * size));
    }
  }
  return quotes;
}

/** Reads a recorded day: lines of `time,symbol,value`, the time in ISO 8601. Throws a RangeError at a bad line. */
export function readRecordedDay(csv: string): DayQuote[] {
  const lines = csv.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('time,'));
  const quotes = lines.map((line, index) => {
    const [time = '', symbol = '', value = ''] = line.split(',');
    const quote = { symbol, value: Number(value), at: Date.parse(time) };
    if (symbol === '' || value === '' || !Number.isFinite(quote.value) || Number.isNaN(quote.at)) {
      throw new RangeError(`Line ${index + 1} of the recorded day is not time,symbol,value: ${line}`);
    }
    return quote;
  });
  return quotes.sort((a, b) => a.at - b.at);
}

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed, by Box and Muller. */
function bell(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function round(value: number): number {
  return Number(value.toPrecision(7));
}

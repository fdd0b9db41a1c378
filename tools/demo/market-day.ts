import { type DayQuote, generateTradingDay } from '../local/quote-server/trading-day.ts';

/** All quotes of one minute. */
export interface MarketMinute {
  /** Milliseconds since 1970. */
  at: number;
  quotes: { symbol: string; value: number }[];
}

/** What `push.record_session()` is told of a day of trading. */
export interface MarketSession {
  open: number;
  high: number;
  low: number;
  close: number;
}

export interface MarketDay {
  /** Of the DAX, on the day before. */
  yesterday: MarketSession;
  minutes: MarketMinute[];
  /** Of the DAX, on this day. */
  today: MarketSession;
  /** The last value of each symbol. */
  closing: ReadonlyMap<string, number>;
}

const HOUR = 3_600_000;

/**
 * A generated day from 07:00 to 17:30, a quote a minute: currencies, gold and bitcoin all day, the DAX from 09:00.
 * Always the same one, so that what must happen on it is known; `startsAt` is its 07:00 in milliseconds since 1970.
 */
export function makeMarketDay(startsAt: number): MarketDay {
  const dax = { opensAt: startsAt + 2 * HOUR, stepSeconds: 60, volatility: 0.05 };
  const allDay = { opensAt: startsAt, hours: 10.5, stepSeconds: 60 };
  const before = generateTradingDay({ ...dax, seed: 27, symbols: { DAX: 23_500 } });
  const yesterday = sessionOf(before);
  const day = generateTradingDay({ ...dax, seed: 28, symbols: { DAX: yesterday.close } });
  const quotes = [
    ...day,
    ...generateTradingDay({
      ...allDay,
      seed: 23,
      symbols: { BTC: 92_000 },
      volatility: 0.2,
      gapChance: 0.004,
    }),
    ...generateTradingDay({ ...allDay, seed: 56, symbols: { GOLD: 4_050 } }),
    ...generateTradingDay({ ...allDay, seed: 45, symbols: { EURUSD: 1.16 }, volatility: 0.02 }),
  ];
  const minutes = new Map<number, MarketMinute>();
  for (const { symbol, value, at } of quotes.sort((one, other) => one.at - other.at)) {
    const minute = minutes.get(at) ?? { at, quotes: [] };
    minute.quotes.push({ symbol, value });
    minutes.set(at, minute);
  }
  return {
    yesterday,
    minutes: [...minutes.values()],
    today: sessionOf(day),
    closing: new Map(quotes.map(({ symbol, value }) => [symbol, value])),
  };
}

function sessionOf(quotes: readonly DayQuote[]): MarketSession {
  const values = quotes.map(({ value }) => value);
  return {
    open: values[0] ?? Number.NaN,
    high: Math.max(...values),
    low: Math.min(...values),
    close: values.at(-1) ?? Number.NaN,
  };
}

import type { Lifetime } from '../lifetime.ts';
import { type QuoteServer, startQuoteServer } from './quote-server.ts';
import { generateTradingDay } from './trading-day.ts';

const SYMBOLS = { DAX: 23_500, NDX: 25_100, BTC: 92_000, ETH: 3_100, EURUSD: 1.16, GOLD: 4_050 };
const HOURS = 24;

/** The quote server of a stack: a day that was generated for today and is replayed by the clock. */
export async function startStackQuoteServer(
  port: number | undefined,
  lifetime: Lifetime,
): Promise<QuoteServer> {
  const opensAt = new Date().setUTCHours(0, 0, 0, 0);
  const day = generateTradingDay({
    // Another day has other quotes; the same day has the same, however often the stack is started.
    seed: opensAt / 86_400_000,
    symbols: SYMBOLS,
    opensAt,
    hours: HOURS,
    stepSeconds: 30,
  });
  const server = await startQuoteServer({ port, day });
  server.seek(Date.now());
  lifetime.onEnd('quote server', server.stop);
  return server;
}

import type { PlannedSource } from '../../src/server/database/quote-plan.ts';

/** A source as the database plans it: the JSON list of the quote server at `origin`, unless `changes` say otherwise. */
export function plannedSource(origin: string, changes: Partial<PlannedSource> = {}): PlannedSource {
  return {
    source: 'main',
    lease: '5d3a4f55-2f0d-4e0b-9d43-6f0a2a1f7a11',
    adapter: 'json',
    url: `${origin}/json?symbols={symbols}`,
    headers: {},
    places: { valueAt: 'data[*].last', symbolAt: 'data[*].symbol', timeAt: 'data[*].time' },
    timezone: 'UTC',
    delimiter: ',',
    separator: ',',
    batchSize: 50,
    maxBytes: 1_000_000,
    timeoutMs: 5_000,
    budgetMs: 20_000,
    localOrigin: origin,
    symbols: [
      ['DAX', 'DAX'],
      ['BTC', 'BTC'],
    ],
    trial: false,
    maxRequests: null,
    ...changes,
  };
}

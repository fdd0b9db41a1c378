import type { QuotePlan } from '../database/quote-plan.ts';
import { type FetchOptions, fetchSource } from './fetch-source.ts';

/** What one run did. */
export interface FetchSummary {
  sources: number;
  /** Those that gave no quote, or not all without an error, by name. */
  failed: { source: string; code: string }[];
  /** Quotes that were new. */
  recorded: number;
  /** Sources whose report could not be given; their leases end by themselves. */
  unreported: string[];
}

/**
 * Asks every source that is due, all at a time, and reports each as soon as it is done: one that hangs does not delay
 * the quotes of the others. Symbols on trial at a source are asked for once its other quotes are reported. Throws
 * `queue_unreachable` when the plan cannot be had.
 */
export async function fetchQuotes(plan: QuotePlan, options: FetchOptions): Promise<FetchSummary> {
  const due = await plan.due();
  const runs = Map.groupBy(due, ({ source }) => source);
  const summary: FetchSummary = { sources: runs.size, failed: [], recorded: 0, unreported: [] };
  await Promise.all(
    [...runs.values()].map(async (ofOneSource) => {
      for (const planned of ofOneSource) {
        const report = await fetchSource(planned, options);
        if (report.error) summary.failed.push({ source: report.source, code: report.error.code });
        try {
          summary.recorded += await plan.report(report);
        } catch {
          summary.unreported.push(report.source);
        }
        // What it might stumble over can wait.
        if (report.error) break;
      }
    }),
  );
  return summary;
}

import type { PlannedSource, QuoteErrorCode, SourceReport } from '../database/quote-plan.ts';
import { createCsvSource } from './csv-source.ts';
import { getAnswer } from './get-answer.ts';
import { createJsonSource } from './json-source.ts';
import { type QuoteSource, QuoteSourceError } from './quote-source.ts';
import { readQuoteTime, readQuoteValue } from './quote-value.ts';
import { checkSourceAddress, type ResolveDns } from './source-address.ts';
import { createSourceRequest } from './source-request.ts';

/** What fetching needs from outside. */
export interface FetchOptions {
  /** Where function secrets are read from; only those named PUSH_QUOTES_… are. */
  environment: Record<string, string | undefined>;
  resolve: ResolveDns | undefined;
}

/** Requests to one source at a time. */
const IN_FLIGHT = 2;
/** A source that fails so often in one run is left in peace until the next. */
const MAX_FAILED_REQUESTS = 2;
/** Requests beyond one for each batch, to find the symbols that a source refuses a batch for. */
const MAX_SPLITS = 30;
/** What the source itself is to blame for, whatever it was asked for. */
const NEVER_A_SYMBOL: readonly QuoteErrorCode[] = [
  'throttled',
  'secret_missing',
  'address_refused',
  'internal',
];
/** Enough to see what is wrong. */
const MAX_REJECTED = 20;

/**
 * Asks one source for all it was planned for, in batches, and judges what it answers. Never throws: what went wrong is
 * the report's `error`, beside what came all the same.
 *
 * A batch that is refused (400, 404, 422) is halved until the symbols are found that it is refused for. Users may
 * watch any symbol, and one that the source does not know must not fail the others. A batch of symbols on trial is halved
 * after every other failure, too, such as a timeout: one of them may be what the source fails on.
 */
export async function fetchSource(planned: PlannedSource, options: FetchOptions): Promise<SourceReport> {
  const run = new SourceRun(planned, options);
  try {
    await run.work();
  } catch (error) {
    run.fail(error);
  }
  return run.report();
}

class SourceRun {
  readonly #planned: PlannedSource;
  readonly #options: FetchOptions;
  readonly #deadline: AbortSignal;
  /** Ours, by the source's names: two of ours may be one of theirs. */
  readonly #symbols = new Map<string, string[]>();
  readonly #quotes: SourceReport['quotes'] = [];
  readonly #rejected: SourceReport['rejected'] = [];
  readonly #missing: string[] = [];
  readonly #refused: string[] = [];
  #requests = 0;
  #answers = 0;
  #failures = 0;
  #splits = 0;
  #error: QuoteSourceError | undefined;
  #refusal: QuoteSourceError | undefined;

  constructor(planned: PlannedSource, options: FetchOptions) {
    this.#planned = planned;
    this.#options = options;
    this.#deadline = AbortSignal.timeout(planned.budgetMs);
    for (const [ours, theirs] of planned.symbols) {
      this.#symbols.set(theirs, [...(this.#symbols.get(theirs) ?? []), ours]);
    }
  }

  async work(): Promise<void> {
    const { adapter, places, delimiter, batchSize, localOrigin, timeoutMs } = this.#planned;
    const source = adapter === 'json' ? createJsonSource(places) : createCsvSource(places, delimiter);
    const request = createSourceRequest(
      { ...this.#planned, accept: source.accept },
      this.#options.environment,
    );
    const signal = (): AbortSignal => AbortSignal.any([this.#deadline, AbortSignal.timeout(timeoutMs)]);
    await checkSourceAddress(request.urlFor(['A']), {
      localOrigin,
      resolve: this.#options.resolve,
      signal: signal(),
    });
    const origin = URL.parse(request.urlFor(['A']))?.origin;

    const names = [...this.#symbols.keys()];
    const batches: string[][] = [];
    for (let at = 0; at < names.length; at += batchSize) batches.push(names.slice(at, at + batchSize));

    const workOff = async (): Promise<void> => {
      for (let batch = batches.shift(); batch; batch = batches.shift()) {
        if (this.#isOver()) return;
        try {
          const url = request.urlFor(batch);
          if (URL.parse(url)?.origin !== origin) {
            throw new QuoteSourceError('address_refused', 'Its URL leads elsewhere for some symbols.');
          }
          this.#requests += 1;
          const text = await getAnswer(url, {
            headers: request.headers,
            maxBytes: this.#planned.maxBytes,
            signal: signal(),
            secrets: request.secrets,
          });
          this.#take(source, text, batch);
          this.#answers += 1;
        } catch (error) {
          if (error instanceof QuoteSourceError && this.#isAboutSymbols(error)) {
            batches.unshift(...this.#split(batch, error));
          } else this.fail(error);
        }
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, workOff));
  }

  fail(error: unknown): void {
    this.#failures += 1;
    this.#error ??=
      error instanceof QuoteSourceError
        ? error
        : new QuoteSourceError(
            'internal',
            `Asking it failed: ${error instanceof Error ? error.name : 'unknown'}.`,
          );
  }

  report(): SourceReport {
    const { source, lease } = this.#planned;
    // A source that refuses everything refuses the request itself, not the symbols.
    const error = this.#error ?? (this.#answers === 0 ? this.#refusal : undefined);
    return {
      source,
      lease,
      requests: this.#requests,
      quotes: this.#quotes,
      missing: this.#answers === 0 ? [] : this.#missing,
      refused: this.#answers === 0 ? [] : this.#refused,
      rejected: this.#rejected.slice(0, MAX_REJECTED),
      error: error
        ? {
            code: error.code,
            message: error.message,
            ...(error.retryAfterSeconds !== undefined && { retry_after: error.retryAfterSeconds }),
          }
        : null,
    };
  }

  #isOver(): boolean {
    if (this.#deadline.aborted && this.#error === undefined) {
      this.fail(new QuoteSourceError('timed_out', 'Its answers took longer than one run may.'));
    }
    const hopeless =
      this.#error && ['credentials_refused', 'throttled', 'redirected'].includes(this.#error.code);
    const { maxRequests } = this.#planned;
    return (
      this.#deadline.aborted ||
      hopeless === true ||
      this.#failures >= MAX_FAILED_REQUESTS ||
      (maxRequests !== null && this.#requests >= maxRequests)
    );
  }

  #isAboutSymbols({ code }: QuoteSourceError): boolean {
    return this.#planned.trial ? !NEVER_A_SYMBOL.includes(code) : code === 'symbols_refused';
  }

  #split(batch: string[], refusal: QuoteSourceError): string[][] {
    this.#refusal ??= refusal;
    if (batch.length === 1) {
      const found = refusal.code === 'symbols_refused' ? this.#refused : this.#missing;
      found.push(...this.#ours(batch));
      return [];
    }
    if (this.#splits >= MAX_SPLITS) {
      this.fail(refusal);
      return [];
    }
    this.#splits += 2;
    const half = Math.ceil(batch.length / 2);
    return [batch.slice(0, half), batch.slice(half)];
  }

  #ours(names: string[]): string[] {
    return names.flatMap((name) => this.#symbols.get(name) ?? []);
  }

  #take(source: QuoteSource, text: string, names: string[]): void {
    const given = new Set<string>();
    for (const { name, ...raw } of source.read(text, names)) {
      const value = readQuoteValue(raw.value);
      const time = raw.time === undefined ? undefined : readQuoteTime(raw.time, this.#planned.timezone);
      const timed = this.#planned.places.timeAt !== null;
      for (const symbol of this.#symbols.get(name) ?? []) {
        if (value === undefined)
          this.#rejected.push({ symbol, message: `${symbol} has no number for a value` });
        // Taken as of now it would look newer than it is.
        else if (timed && time === undefined) {
          this.#rejected.push({ symbol, message: `${symbol} has no time that can be read` });
        } else {
          this.#quotes.push({ symbol, value, ...(time && { quoted_at: time.toISOString() }) });
          given.add(name);
        }
      }
    }
    this.#missing.push(...this.#ours(names.filter((name) => !given.has(name))));
  }
}

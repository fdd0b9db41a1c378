import type { QuoteErrorCode } from '../database/quote-plan.ts';

/** What an answer says of one symbol, as it stands there. */
export interface RawQuote {
  /** The symbol as the source calls it. */
  name: string;
  value: unknown;
  /** Undefined where the source was not declared to give times. */
  time: unknown;
}

/** A kind of place quotes come from: how its answers are read. What is asked, and when, is the same for all. */
export interface QuoteSource {
  /** The media types it can read, for the header Accept. */
  readonly accept: string;
  /**
   * The quotes in one answer, at most one of each of `names`; what is missing there is left out. Throws
   * `QuoteSourceError` `answer_malformed` when the text is not what such a source answers.
   */
  read(text: string, names: readonly string[]): RawQuote[];
}

/** Where a source's answers hold what is looked for: JSON paths, or columns of CSV. */
export interface QuotePlaces {
  valueAt: string;
  symbolAt: string | null;
  timeAt: string | null;
}

/** An error of one source. Its message is shown to the operator: it never holds a secret, a URL or the answer's text. */
export class QuoteSourceError extends Error {
  override readonly name = 'QuoteSourceError';
  readonly code: QuoteErrorCode;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: QuoteErrorCode, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

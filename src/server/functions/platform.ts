/** What a function needs from the platform it runs on. */
export interface Platform {
  environment: Record<string, string | undefined>;
  /** Keeps the worker alive until the promise settles. */
  waitUntil: (work: Promise<unknown>) => void;
  log: (entry: Record<string, unknown>) => void;
  /** Whether a worker's CPU and wall time are limited, as those of hosted Edge Functions are. */
  limited: boolean;
}

import type { PlacesAllowed } from './pace.ts';

/** What one dispatcher takes upon itself at most, wherever push services would take more. */
export interface Ceilings {
  /** Requests at once, at one push service. */
  places: PlacesAllowed;
  /** Deliveries under way or waiting in memory, of all push services together: each is under a lease. */
  held: number;
  /** Deliveries taken with one claim. */
  claim: number;
}

/**
 * For hosted Edge Functions, with 2 s of CPU for 1,500 deliveries and 256 MB. A few hundred at once use up a run's deliveries
 * in seconds where answers take one.
 */
export const EDGE_CEILINGS: Ceilings = { places: { first: 50, most: 500 }, held: 2000, claim: 500 };

/** For a process of one's own, without such limits. */
export const PROCESS_CEILINGS: Ceilings = { places: { first: 50, most: 2000 }, held: 8000, claim: 500 };

import { afterAll, afterEach, beforeAll, beforeEach, inject } from 'vitest';
import type { Stack } from '../../../tools/local/stack.ts';
import { type Network, startNetwork } from './network.ts';
import { type PageServer, startPageServer } from './page-server.ts';

export interface Pages {
  /** The address of this test's pages. */
  origin(): string;
  /** Between the browser and the stack's API and functions; up again after each test. */
  network(): Network;
}

/**
 * Serves a built page for each test of a file on a port of its own: an origin that no browser has seen, so without service
 * worker, subscription and session.
 *
 * @param document the page's name in `test/browser/pages`
 */
export function usePages(stack: () => Stack, document: string): Pages {
  let network: Network | undefined;
  let pages: PageServer | undefined;
  const during = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('pages are served during the tests only');
    return value;
  };

  beforeAll(async () => {
    network = await startNetwork(stack().url);
  });
  beforeEach(async () => {
    const { publishableKey, vapidPublicKey } = stack();
    const config = { supabaseUrl: during(network).url, publishableKey, vapidPublicKey };
    pages = await startPageServer(inject('pages'), document, config);
  });
  afterEach(async () => {
    network?.up();
    await pages?.stop();
  });
  afterAll(() => network?.stop());

  return { origin: () => during(pages).origin, network: () => during(network) };
}

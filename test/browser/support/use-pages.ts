import { afterEach, beforeEach, inject } from 'vitest';
import type { Stack } from '../../../src/local/stack.ts';
import { type PageServer, startPageServer } from './page-server.ts';

/**
 * Serves a built page for each test of a file on a port of its own: an origin that no browser has seen, so without service
 * worker, subscription and session. Returns the test's origin.
 *
 * @param document the page's name in `test/browser/pages`
 */
export function usePages(stack: () => Stack, document: string): () => string {
  let pages: PageServer | undefined;
  beforeEach(async () => {
    const { url, publishableKey, vapidPublicKey } = stack();
    const config = { supabaseUrl: url, publishableKey, vapidPublicKey };
    pages = await startPageServer(inject('pages'), document, config);
  });
  afterEach(() => pages?.stop());
  return () => {
    if (!pages) throw new Error('pages are served during a test only');
    return pages.origin;
  };
}

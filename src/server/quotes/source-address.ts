import { isAddress, isPublicAddress } from './public-address.ts';
import { QuoteSourceError } from './quote-source.ts';

/** Looks a name up, as `Deno.resolveDns` does. */
export type ResolveDns = (
  name: string,
  type: 'A' | 'AAAA',
  options: { signal: AbortSignal },
) => Promise<string[]>;

// Names of machines and networks, never of the internet; some resolvers answer them.
const NOT_PUBLIC_NAMES = /(^|\.)(localhost|local|localdomain|internal|intranet|lan|home|corp|home\.arpa)$/;

/**
 * Makes sure that a source's URL leads to the public internet: https, a name, and not one that resolves to a private
 * address. `localOrigin` is the one exception, the quote server of a local stack. Throws `QuoteSourceError`
 * `address_refused`, or `network_error` where the name does not exist.
 *
 * The request resolves the name once more by itself, so an attacker who controls the name of a declared source could still
 * answer differently the second time. The database's owner chooses the sources, and answers are only read as quotes.
 */
export async function checkSourceAddress(
  address: string,
  {
    localOrigin,
    resolve,
    signal,
  }: {
    localOrigin: string | null;
    /** Undefined where the platform cannot look names up; then only the name itself is judged. */
    resolve: ResolveDns | undefined;
    signal: AbortSignal;
  },
): Promise<void> {
  const url = URL.parse(address);
  if (url !== null && localOrigin !== null && url.origin === localOrigin) return;
  // Userinfo would be sent as credentials, and is a way to make a URL look like another's.
  if (url === null || url.protocol !== 'https:' || url.username !== '' || url.password !== '') {
    throw new QuoteSourceError('address_refused', 'Its URL must be https, without user name and password.');
  }
  const host = url.hostname.replace(/\.$/, '');
  if (
    isAddress(host)
      ? !isPublicAddress(host.replace(/^\[|\]$/g, ''))
      : !host.includes('.') || NOT_PUBLIC_NAMES.test(host)
  ) {
    throw new QuoteSourceError('address_refused', 'Its URL leads into a private network.');
  }
  if (isAddress(host) || resolve === undefined) return;
  const found = await lookUp(host, resolve, signal);
  if (found?.length === 0) {
    throw new QuoteSourceError('network_error', 'The name in its URL does not exist.');
  }
  if (found?.some((each) => !isPublicAddress(each))) {
    throw new QuoteSourceError('address_refused', 'The name in its URL leads into a private network.');
  }
}

/** All addresses of a name; undefined where the platform turns out not to look names up. */
async function lookUp(name: string, resolve: ResolveDns, signal: AbortSignal): Promise<string[] | undefined> {
  const answers = await Promise.allSettled(
    (['A', 'AAAA'] as const).map((type) => resolve(name, type, { signal })),
  );
  const addresses: string[] = [];
  for (const answer of answers) {
    if (answer.status === 'fulfilled') {
      addresses.push(...answer.value);
      continue;
    }
    const kind = answer.reason instanceof Error ? answer.reason.name : '';
    if (kind === 'NotSupported') return undefined;
    // A name with addresses of one family alone is usual. Any other failure may hide the address that is not public.
    if (kind !== 'NotFound') {
      throw new QuoteSourceError('network_error', 'The name in its URL could not be looked up.');
    }
  }
  return addresses;
}

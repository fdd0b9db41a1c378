import { QuoteSourceError } from './quote-source.ts';

const SECRET = /\{secret:(PUSH_QUOTES_[A-Z0-9_]+)\}/g;

/** How a source is asked, its secrets filled in. */
export interface SourceRequest {
  headers: Record<string, string>;
  /** The secrets in it, as they are and as they stand in a URL. */
  secrets: string[];
  /** The URL that asks for these symbols, by the source's names. */
  urlFor(names: readonly string[]): string;
}

/**
 * Fills function secrets into a source's URL and headers. Throws `QuoteSourceError` `secret_missing`, which names the
 * secret.
 *
 * @param environment only entries whose names start with `PUSH_QUOTES_` are ever looked at: who may declare a source
 *   is not to read the project's other secrets by having them sent somewhere
 */
export function createSourceRequest(
  source: { url: string; headers: Record<string, string>; separator: string; accept: string },
  environment: Record<string, string | undefined>,
): SourceRequest {
  const secrets = new Set<string>();
  const fill = (template: string, encode: (secret: string) => string): string =>
    template.replace(SECRET, (_, name: string) => {
      const secret = environment[name]?.trim();
      if (!secret) {
        throw new QuoteSourceError(
          'secret_missing',
          `${name} is not set. Run: supabase secrets set ${name}=…`,
        );
      }
      // What does not fit into a header would be quoted in the runtime's error.
      if (!/^[!-~]([ -~]*[!-~])?$/.test(secret)) {
        throw new QuoteSourceError('secret_missing', `${name} is not printable ASCII on one line.`);
      }
      secrets.add(secret).add(encode(secret));
      return encode(secret);
    });

  const headers = Object.fromEntries(
    Object.entries(source.headers).map(([name, value]) => [name, fill(value, (secret) => secret)]),
  );
  const url = fill(source.url, encodeURIComponent);
  return {
    headers: { Accept: source.accept, 'User-Agent': 'Supapush', ...headers },
    secrets: [...secrets],
    urlFor(names) {
      const encoded = names.map(encodeURIComponent);
      return url
        .replaceAll('{symbols}', () => encoded.join(source.separator))
        .replaceAll('{symbol}', () => encoded[0] ?? '');
    },
  };
}

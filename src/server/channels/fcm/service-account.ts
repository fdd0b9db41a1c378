import { z } from 'zod';
import { SupapushError } from '../../../shared/errors.ts';
import { parseJson } from '../../../shared/parse-json.ts';

/** A Google service account that was checked and can sign. */
export interface ServiceAccount {
  projectId: string;
  clientEmail: string;
  privateKeyId: string | undefined;
  /** Where an assertion is exchanged for an access token. */
  tokenUri: string;
  /** RSASSA-PKCS1-v1_5 with SHA-256, which JWT calls RS256. */
  privateKey: CryptoKey;
}

const GOOGLE_TOKEN_URI = /^https:\/\/(oauth2\.googleapis\.com|www\.googleapis\.com|accounts\.google\.com)\//;
// The FCM service of the local stack, which signs people in with an account of its own.
const LOOPBACK_TOKEN_URI = /^http:\/\/127\.0\.0\.1:\d{1,5}\//;
const FCM = 'https://fcm.googleapis.com/v1';

// Messages of our own throughout: those of the parsers may quote what they were given.
const file = z.object(
  {
    type: z.literal('service_account', { error: 'must be "service_account"' }),
    project_id: z.string({ error: 'is missing' }).regex(/^[a-z0-9.:-]{4,100}$/, 'is no project id'),
    client_email: z.string({ error: 'is missing' }).regex(/^[^\s@]+@[^\s@]+$/, 'is no e-mail address'),
    private_key_id: z.string({ error: 'must be text' }).optional(),
    private_key: z.string({ error: 'is missing' }),
    token_uri: z
      .string({ error: 'must be text' })
      .refine((uri) => URL.canParse(uri) && (GOOGLE_TOKEN_URI.test(uri) || LOOPBACK_TOKEN_URI.test(uri)), {
        error: 'is not an https URL of Google',
      })
      .default('https://oauth2.googleapis.com/token'),
  },
  { error: 'must be the JSON file of a service account' },
);

/**
 * Reads the JSON file that Firebase gives under Project settings → Service accounts.
 *
 * Throws `fcm_account_invalid`, naming every field that is wrong and never what it holds.
 */
export async function importServiceAccount(text: string): Promise<ServiceAccount> {
  const read = file.safeParse(parseJson(text));
  if (!read.success) {
    throw invalid(read.error.issues.map(({ path, message }) => [...path, message].join(' ')).join(', '));
  }
  const privateKey = await importPrivateKey(read.data.private_key);
  if (privateKey === null) {
    throw invalid('private_key must be an RSA key in PEM: -----BEGIN PRIVATE KEY----- …');
  }
  return {
    projectId: read.data.project_id,
    clientEmail: read.data.client_email,
    privateKeyId: read.data.private_key_id,
    tokenUri: read.data.token_uri,
    privateKey,
  };
}

/**
 * The URL that messages are posted to, or null when the account is not for that service: Google's accounts are used at
 * Google alone, and that of a local service at that one alone, whatever the other side is made to say.
 *
 * @param host the row of `push.hosts` of the delivery
 */
export function messagesUrl(host: string, account: ServiceAccount): string | null {
  const local = /^(http:\/\/127\.0\.0\.1:\d{1,5}\/)v1$/.exec(host)?.[1];
  const fits =
    host === FCM
      ? GOOGLE_TOKEN_URI.test(account.tokenUri)
      : local !== undefined && account.tokenUri.startsWith(local);
  return fits ? `${host}/projects/${encodeURIComponent(account.projectId)}/messages:send` : null;
}

function invalid(problem: string): SupapushError {
  return new SupapushError(
    'fcm_account_invalid',
    `FCM_SERVICE_ACCOUNT: ${problem}. Set it to the JSON file of a service account: Firebase console → Project settings → Service accounts.`,
  );
}

async function importPrivateKey(pem: string): Promise<CryptoKey | null> {
  // Shells and dashboards like to turn the line breaks of a PEM into a backslash and an n.
  const body = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(
    pem.replaceAll('\\n', '\n'),
  )?.[1];
  if (body === undefined) return null;
  try {
    const der = Uint8Array.from(atob(body.replace(/\s/g, '')), (character) => character.charCodeAt(0));
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    return await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
  } catch {
    // Whatever the runtime says of the key, it may quote it.
    return null;
  }
}

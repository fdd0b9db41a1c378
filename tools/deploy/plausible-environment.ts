import { randomBytes } from 'node:crypto';
import webpush from 'web-push';

/**
 * The environment of a hosted function whose secrets have been set, with keys made for this one run. The project URL
 * leads to a port of loopback where no server listens.
 */
export function plausibleEnvironment(): Record<string, string> {
  const pair = webpush.generateVAPIDKeys();
  const key = (prefix: string): string => `${prefix}_${randomBytes(16).toString('base64url')}`;
  return {
    SUPABASE_URL: 'http://127.0.0.1:9',
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: key('sb_secret') }),
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: key('sb_publishable') }),
    SUPABASE_JWKS: JSON.stringify({ keys: [] }),
    VAPID_PUBLIC_KEY: pair.publicKey,
    VAPID_PRIVATE_KEY: pair.privateKey,
    VAPID_SUBJECT: 'mailto:verify-deploy@example.com',
    PUSH_BELL_SECRET: randomBytes(32).toString('base64url'),
  };
}

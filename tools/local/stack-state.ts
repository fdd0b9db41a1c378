import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import webPush from 'web-push';
import { z } from 'zod';
import { createServiceAccountKey } from './fcm-service/local-service-account.ts';

const port = z.int().min(1).max(65_535);

const state = z.object({
  /** Signs user sessions (HS256). */
  jwtSecret: z.string().min(32),
  publishableKey: z.string().startsWith('sb_publishable_'),
  secretKey: z.string().startsWith('sb_secret_'),
  vapid: z.object({ publicKey: z.string(), privateKey: z.string() }),
  /** What the database shows to push-dispatch. */
  bellSecret: z.string().min(32),
  /** The key of the service account at the local FCM service, PKCS#8 in PEM; states of earlier versions have none. */
  fcmPrivateKey: z.string().startsWith('-----BEGIN PRIVATE KEY-----').default(createServiceAccountKey),
  /** Those of the last start, taken again where free: subscriptions and sources of quotes hold addresses. */
  ports: z
    .object({ gateway: port, database: port, pushService: port, quoteServer: port.optional() })
    .optional(),
});

/** Keys and ports of one stack, kept as long as its database. */
export type StackState = z.infer<typeof state>;

/** Opens the state kept in a folder, or makes it with new random keys. The file is readable by its owner alone. */
export async function openStackState(directory: string): Promise<StackState> {
  await mkdir(directory, { recursive: true });
  const kept = await readFile(fileOf(directory), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (kept !== undefined) return state.parse(JSON.parse(kept));
  const made: StackState = {
    jwtSecret: randomBytes(48).toString('base64url'),
    publishableKey: apiKey('publishable'),
    secretKey: apiKey('secret'),
    vapid: webPush.generateVAPIDKeys(),
    bellSecret: randomBytes(32).toString('base64url'),
    fcmPrivateKey: createServiceAccountKey(),
  };
  await saveStackState(directory, made);
  return made;
}

export async function saveStackState(directory: string, changed: StackState): Promise<void> {
  await writeFile(fileOf(directory), `${JSON.stringify(changed, null, 2)}\n`, { mode: 0o600 });
  await chmod(fileOf(directory), 0o600);
}

function fileOf(directory: string): string {
  return join(directory, 'stack.json');
}

/** The shape of the platform's keys: type, 22 characters of randomness, 8 more where the platform has a checksum. */
function apiKey(type: 'publishable' | 'secret'): string {
  const random = randomBytes(24).toString('base64url');
  return `sb_${type}_${random.slice(0, 22)}_${random.slice(22, 30)}`;
}

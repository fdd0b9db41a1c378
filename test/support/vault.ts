import postgres from 'postgres';
import type { TestDatabase } from './postgres.ts';

/**
 * Makes a Vault entry, or all of them, what they are in a project that was restored elsewhere: written under a key that
 * this one does not have. Reading and changing it raises 22000 `invalid ciphertext` then.
 */
export async function writeUnderAnotherKey(
  { superuserUrl }: Pick<TestDatabase, 'superuserUrl'>,
  name: string | null = null,
): Promise<void> {
  const admin = postgres(superuserUrl, { max: 1 });
  try {
    // The nonce is part of what decrypts an entry, in the real Vault too.
    await admin`
      update vault.secrets set nonce = vault._crypto_aead_det_noncegen() where name = coalesce(${name}, name)`;
  } finally {
    await admin.end();
  }
}

import { readFile } from 'node:fs/promises';

/** The text of a file, or null where there is none. */
export async function readOr(path: string): Promise<string | null> {
  return (await bytesOf(path))?.toString('utf8') ?? null;
}

/** The text of a file that is only looked at, or null where it cannot be read: that is no reason to do nothing else. */
export async function readIfReadable(path: string): Promise<string | null> {
  return await readFile(path, 'utf8').catch(() => null);
}

/**
 * Whether a file can be written again from its text without a change to its other bytes, as one in UTF-8 can, or where there is
 * none. Bytes of another encoding are lost when they are read.
 */
export async function isPatchable(path: string): Promise<boolean> {
  const bytes = await bytesOf(path);
  if (bytes === null) return true;
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

async function bytesOf(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

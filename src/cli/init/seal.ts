import { createHash } from 'node:crypto';

// The last line of a file of ours in an app: the release that it is of, and a hash of all above. So a later release can tell
// whether a person has changed it, without knowing what each earlier release wrote.

const SEAL = /\n\/\/ supapush (\S+) ([\w-]{8})\s*$/;

/** The text with the line by which a later release knows it. */
export function sealed(text: string, version: string): string {
  return `${text.trimEnd()}\n// supapush ${version} ${hashOf(text)}\n`;
}

/** The release that a file is of, as it was written; null where it has been changed since, or has no seal. */
export function releaseOf(text: string): string | null {
  const [, version = '', hash] = SEAL.exec(text) ?? [];
  return hash !== undefined && hash === hashOf(withoutSeal(text)) ? version : null;
}

/** What a file says, whichever release says it. */
export function withoutSeal(text: string): string {
  return text.replace(SEAL, '\n');
}

/** The same whatever the line ends are, as git changes those. Short, because browsers load that of the worker: it only has to tell changes. */
function hashOf(text: string): string {
  return createHash('sha256').update(text.replaceAll('\r\n', '\n').trimEnd()).digest('base64url').slice(0, 8);
}

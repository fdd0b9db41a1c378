import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { publicKeyOf } from '../server/channels/webpush/vapid-key-forms.ts';
import { subjectFault } from '../server/channels/webpush/vapid-subject.ts';
import { SupapushError } from '../shared/errors.ts';
import { type Command, callOf } from './command.ts';
import {
  defaultEnvironmentFile,
  EARLIER_FILE,
  parseEnvironmentFile,
  readEnvironmentFile,
  replaceEnvironmentFile,
  SECRETS_FILE,
  setEntries,
} from './environment-file.ts';
import { generateVapidPair, readVapidPair } from './vapid-pair.ts';

const USAGE = `Usage: ${callOf('secrets', '--subject mailto:you@example.com [--file .env]')}

Makes the secrets that only push-dispatch may know: a VAPID key pair and the secret of its bell. Writes them into
.env, which git ignores; entries that exist are kept. Then: npx supabase secrets set --env-file .env

  --subject   how a push service can reach you: a mailto: or https: URL
  --file      the file to write (default .env; where init has been, ${SECRETS_FILE},
              and a pair that .env has is to be moved there first)
  --vapid-from <file>
              keep the pair that your devices were made with, instead of a new one: a file of lines whose names end in
              VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY, or what web-push generate-vapid-keys --json printed; "env" takes it from the environment`;

async function run(args: string[]): Promise<string> {
  const { values } = parseArgs({
    args,
    options: {
      subject: { type: 'string' },
      file: { type: 'string' },
      'vapid-from': { type: 'string' },
    },
  });
  const file = values.file ?? defaultEnvironmentFile();
  const text = await readEnvironmentFile(file);
  const existing = parseEnvironmentFile(text);
  if (values.file === undefined && values['vapid-from'] === undefined) await refuseSecondPair(file, existing);
  const subject = values.subject ?? existing.VAPID_SUBJECT;
  if (!subject) {
    throw new SupapushError(
      'usage',
      'Give --subject mailto:you@example.com (or an https: URL of yours): push services want to know whom to contact.',
    );
  }
  const fault = subjectFault(subject);
  if (fault !== null) {
    const name = values.subject === undefined ? `VAPID_SUBJECT in ${file}` : '--subject';
    throw new SupapushError('usage', `${name} ${fault}: push services refuse any other contact.`);
  }
  const halfPair = ['VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY'].filter((name) => existing[name]);
  if (halfPair.length === 1) {
    throw new SupapushError(
      'usage',
      `${file} has ${halfPair[0]} without its other half. Restore the pair, or remove both.`,
    );
  }
  const given = values['vapid-from'] === undefined ? undefined : await readVapidPair(values['vapid-from']);
  if (
    given !== undefined &&
    existing.VAPID_PUBLIC_KEY &&
    publicKeyOf(existing.VAPID_PUBLIC_KEY) !== given.publicKey
  ) {
    throw new SupapushError(
      'usage',
      `${file} has another VAPID pair already, and devices may have been made with it. Where none were, remove VAPID_PUBLIC_KEY and ` +
        'VAPID_PRIVATE_KEY from it, and call this again.',
    );
  }
  const pair = given ?? generateVapidPair();
  const wanted: Record<string, string> = {
    VAPID_SUBJECT: subject,
    VAPID_PUBLIC_KEY: pair.publicKey,
    VAPID_PRIVATE_KEY: pair.privateKey,
    PUSH_BELL_SECRET: randomBytes(32).toString('base64url'),
  };
  // A key pair that exists is never replaced: every browser that subscribed with it would be lost.
  const added = Object.entries(wanted).filter(([name]) => !existing[name]);
  if (added.length === 0) return `${file} has all of them already; nothing was changed.`;
  await replaceEnvironmentFile(file, setEntries(text, Object.fromEntries(added)));
  return [
    `Wrote ${added.map(([name]) => name).join(', ')} to ${file}.`,
    `The public key, which clients read from the database: ${publicKeyOf(existing.VAPID_PUBLIC_KEY || pair.publicKey)}`,
    `Next: npx supabase secrets set --env-file ${file}`,
  ].join('\n');
}

/**
 * A pair that was made before `supapush init` is in `.env`, where the functions no longer get it from. With another, every browser
 * that subscribed with the first would be lost. A file that a person names may have a pair of its own.
 */
async function refuseSecondPair(file: string, existing: Record<string, string>): Promise<void> {
  if (file === EARLIER_FILE || existing.VAPID_PUBLIC_KEY || existing.VAPID_PRIVATE_KEY) return;
  const earlier = parseEnvironmentFile(await readEnvironmentFile(EARLIER_FILE));
  if (!earlier.VAPID_PUBLIC_KEY || !earlier.VAPID_PRIVATE_KEY) return;
  const names = Object.keys(earlier)
    .filter((name) => /^VAPID_|^PUSH_BELL_SECRET$/.test(name))
    .sort();
  throw new SupapushError(
    'usage',
    `${EARLIER_FILE} has a VAPID pair, and ${file} has none. Browsers that subscribed with that pair would be lost with another: ` +
      `move its lines ${names.join(', ')} to ${file}, and call this again. To make another pair all the same, give --file ${file}.`,
  );
}

export const command: Command = { usage: USAGE, run };

import { parseArgs } from 'node:util';
import { z } from 'zod';
import { privateKeyOf, publicKeyOf } from '../server/channels/webpush/vapid-key-forms.ts';
import { SupapushError } from '../shared/errors.ts';
import { parseJson } from '../shared/parse-json.ts';
import { type Command, callOf } from './command.ts';
import {
  defaultEnvironmentFile,
  parseEnvironmentFile,
  readEnvironmentFile,
  replaceEnvironmentFile,
  SECRETS_FILE,
  setEntries,
} from './environment-file.ts';
import { knownDatabaseUrl, settingsOf, withDatabase } from './open-database.ts';
import { generateVapidPair } from './vapid-pair.ts';

const USAGE = `Usage: ${callOf('vapid', '[rotate | retire] [--file .env] [--database-url postgresql://…]')}

Shows, rotates and retires the key pairs by which push services know this project. A subscription is bound to the key it
was made with, so an old pair is kept until no subscription needs it.

  (nothing)       lists the pairs, newest first; with --database-url also how many subscriptions need each
  rotate          makes a new pair for new subscriptions and keeps the others
  retire          removes old pairs that no subscription needs; wants --database-url

  --file          where the pairs stand (default .env; where init has been, ${SECRETS_FILE})
  --database-url  the connection string of role postgres; default: SUPABASE_DB_URL`;

const pair = z.object({
  publicKey: z.string().transform(publicKeyOf),
  privateKey: z.string().transform(privateKeyOf),
});
const pairs = z.array(pair);
type Pair = z.infer<typeof pairs>[number];

async function run(args: string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      file: { type: 'string', default: defaultEnvironmentFile() },
      'database-url': { type: 'string' },
    },
  });
  const [action = 'list', ...others] = positionals;
  if (!['list', 'rotate', 'retire'].includes(action) || others.length > 0) {
    throw new SupapushError('usage', `There is no ${positionals.join(' ')}. Use rotate, retire, or neither.`);
  }
  const text = await readEnvironmentFile(values.file);
  const entries = parseEnvironmentFile(text);
  const known = readPairs(entries, values.file);
  const save = ([newest, ...previous]: [Pair, ...Pair[]]) =>
    replaceEnvironmentFile(
      values.file,
      setEntries(text, {
        VAPID_PUBLIC_KEY: newest.publicKey,
        VAPID_PRIVATE_KEY: newest.privateKey,
        // Quoted, since it holds quotes itself.
        VAPID_PREVIOUS_KEYS: `'${JSON.stringify(previous)}'`,
      }),
    );
  const next = `Next: npx supabase secrets set --env-file ${values.file}`;

  if (action === 'rotate') {
    const made = generateVapidPair();
    await save([made, ...known]);
    return [
      `New subscriptions are made with ${made.publicKey}`,
      `${known.length} older ${known.length === 1 ? 'pair is' : 'pairs are'} kept for the subscriptions that were made with them.`,
      `${next}, then ${callOf('connect')}, and give your frontend the new key.`,
    ].join('\n');
  }

  const databaseUrl = knownDatabaseUrl(values['database-url'], settingsOf(entries));
  const usage = databaseUrl === undefined ? undefined : await readUsage(databaseUrl);
  if (action === 'retire') {
    if (usage === undefined)
      throw new SupapushError('usage', 'Give --database-url: only the database knows what is needed.');
    const [newest, ...previous] = known;
    // A subscription that remembers no key may have been made with any of them.
    const needed = previous.filter(({ publicKey }) => usage.has(publicKey) || usage.has(null));
    if (needed.length === previous.length) return 'Nothing to retire: every pair is needed.';
    await save([newest, ...needed]);
    return `Retired ${previous.length - needed.length} of ${known.length} pairs.\n${next}`;
  }
  return known
    .map(({ publicKey }, index) => {
      const count = usage === undefined ? '' : `  ${usage.get(publicKey) ?? 0} subscriptions`;
      return `${index === 0 ? 'newest ' : 'older  '} ${publicKey}${count}`;
    })
    .join('\n');
}

export const command: Command = { usage: USAGE, run };

function readPairs(entries: Record<string, string>, file: string): [Pair, ...Pair[]] {
  const { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey, VAPID_PREVIOUS_KEYS: older } = entries;
  if (publicKey === undefined || privateKey === undefined) {
    throw new SupapushError('usage', `${file} has no VAPID pair yet. Run: ${callOf('secrets')}`);
  }
  const previous = pairs.safeParse(older === undefined ? [] : parseJson(older));
  if (!previous.success) {
    throw new SupapushError(
      'usage',
      `VAPID_PREVIOUS_KEYS in ${file} is not a JSON list of pairs. Restore it from your secrets.`,
    );
  }
  return [pair.parse({ publicKey, privateKey }), ...previous.data];
}

function readUsage(databaseUrl: string): Promise<Map<string | null, number>> {
  return withDatabase(databaseUrl, async (sql) => {
    const rows = await sql<
      { vapid_key: string | null; subscriptions: string }[]
    >`select * from push.vapid_key_usage()`;
    return new Map(rows.map((row) => [row.vapid_key, Number(row.subscriptions)]));
  });
}

import { parseArgs } from 'node:util';
import { publicKeyOf } from '../server/channels/webpush/vapid-key-forms.ts';
import { SupapushError } from '../shared/errors.ts';
import { type Command, callOf } from './command.ts';
import { defaultEnvironmentFile, SECRETS_FILE } from './environment-file.ts';
import { linkedProjectUrl, readSettings, requiredDatabaseUrl, withDatabase } from './open-database.ts';

const USAGE = `Usage: ${callOf('connect', '--database-url postgresql://… [--project-url https://<ref>.supabase.co]')}

Tells the database how to ring push-dispatch: writes the project's URL and the bell's secret into its Vault. May be
run again at any time, for instance after the secret changed, or after a restore: it also makes the extensions and the
jobs of pg_cron that are missing, and replaces entries of the Vault that do not decrypt. A database that was another project's, such as a restored
backup or a staging copy, sends nothing until it is adopted: its devices are those of real people.

  --database-url  the connection string of role postgres (Dashboard → Connect); default: SUPABASE_DB_URL
  --project-url   default: that of the project which \`supabase link\` chose
  --file          where PUSH_BELL_SECRET stands (default .env; where init has been, ${SECRETS_FILE})
  --adopt         it is this project's database from now on: after a move, or under another domain
  --discard-older-than <interval>
                  with --adopt: cancel what became due longer ago, such as '10 minutes'; '0' cancels all that waits`;

async function run(args: string[]): Promise<string> {
  const { values } = parseArgs({
    args,
    options: {
      'database-url': { type: 'string' },
      'project-url': { type: 'string' },
      file: { type: 'string', default: defaultEnvironmentFile() },
      adopt: { type: 'boolean', default: false },
      'discard-older-than': { type: 'string' },
    },
  });
  const setting = await readSettings(values.file);
  const bellSecret = setting('PUSH_BELL_SECRET');
  if (!bellSecret)
    throw new SupapushError(
      'usage',
      `PUSH_BELL_SECRET is neither set nor in ${values.file}. Run: ${callOf('secrets')}`,
    );
  const vapidKey = setting('VAPID_PUBLIC_KEY');
  const vapidPublicKey = vapidKey ? publicKeyOf(vapidKey) : null;
  const databaseUrl = requiredDatabaseUrl(values['database-url'], setting);
  const discardOlderThan = values['discard-older-than'] ?? null;
  if (discardOlderThan !== null && !values.adopt)
    throw new SupapushError('usage', '--discard-older-than goes with --adopt.');
  const projectUrl = values['project-url'] ?? (await linkedProjectUrl());
  if (projectUrl === undefined)
    throw new SupapushError('usage', 'No linked project. Run npx supabase link, or give --project-url.');

  await withDatabase(databaseUrl, async (sql) => {
    const held = await sql.begin(async (transaction) => {
      await transaction`select push.connect(
        p_project_url => ${projectUrl}, p_bell_secret => ${bellSecret}, p_vapid_public_key => ${vapidPublicKey})`;
      if (values.adopt) await transaction`select push.adopt(${discardOlderThan})`;
      const [other] = await transaction<{ url: string }[]>`
        select url from push.project where url <> connected_url`;
      return other;
    });
    if (held) {
      throw new SupapushError(
        'copied_project',
        `The database rings ${projectUrl}/functions/v1/push-dispatch from now on, and sends nothing: it was the database ` +
          `of ${held.url}. If it is a copy, delete push_subscriptions first: its devices are those of real people. ` +
          'If it is this project now, run the same again with --adopt.',
      );
    }
  });
  return `The database rings ${projectUrl}/functions/v1/push-dispatch from now on.`;
}

export const command: Command = { usage: USAGE, run };

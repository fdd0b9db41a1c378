import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SupapushError } from '../shared/errors.ts';
import { type Command, callOf, type Outcome } from './command.ts';
import { PARTS, type PartName } from './doctor/check.ts';
import { type DoctorOptions, examine } from './doctor/examine.ts';
import { asJson, asText, findingsIn } from './doctor/report.ts';
import { SECRETS_FILE } from './environment-file.ts';

const USAGE = `Usage: ${callOf('doctor', '[options]')}

Looks at the folder of your project, then at its database, its Edge Functions, and the service worker that your app serves.
Says what is wrong, and what to run against it. Changes nothing without --fix, and prints no secret.

  --database-url     the connection string of role postgres (Dashboard → Connect); default: SUPABASE_DB_URL
  --project-url      default: that of the project which \`supabase link\` chose
  --app-url          where your app is served, to look at its service worker
  --worker           the path of the service worker there (default /sw.js)
  --publishable-key  to look at the Data API; default: SUPABASE_PUBLISHABLE_KEY or SUPABASE_ANON_KEY
  --file             where the secrets stand (default .env; where init has been, ${SECRETS_FILE})
  --only <part>      ${PARTS.join(', ')}; may be given several times
  --ignore <code>    a finding that does not count; may be given several times
  --fix              bring back the jobs of pg_cron that are missing or switched off
  --json             print one object of JSON instead of text
  --workdir, --public, --no-worker
                     as for init

Exit codes: 0 nothing is wrong, 1 there are findings, 2 called wrongly.`;

async function run(args: string[]): Promise<Outcome> {
  const { values } = parseArgs({
    args,
    options: {
      'database-url': { type: 'string' },
      'project-url': { type: 'string' },
      'app-url': { type: 'string' },
      worker: { type: 'string', default: '/sw.js' },
      'publishable-key': { type: 'string' },
      file: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      ignore: { type: 'string', multiple: true, default: [] },
      fix: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      workdir: { type: 'string' },
      public: { type: 'string' },
      'no-worker': { type: 'boolean', default: false },
    },
  });
  const only = values.only.map(partOf);
  const report = await examine({
    folder: resolve(values.workdir ?? '.'),
    databaseUrl: values['database-url'],
    projectUrl: urlOf('--project-url', values['project-url']),
    appUrl: urlOf('--app-url', values['app-url']),
    worker: values.worker,
    publishableKey: values['publishable-key'],
    file: values.file,
    parts: only.length === 0 ? PARTS : only,
    ignored: values.ignore,
    fix: values.fix,
    publicFolder: values.public === undefined ? undefined : resolve(values.public),
    hasWorker: !values['no-worker'],
  } satisfies DoctorOptions);
  return {
    text: values.json ? JSON.stringify(asJson(report)) : asText(report),
    exitCode: findingsIn(report).length === 0 ? 0 : 1,
  };
}

function partOf(given: string): PartName {
  const part = PARTS.find((name) => name === given);
  if (part === undefined) throw new SupapushError('usage', `--only takes one of ${PARTS.join(', ')}.`);
  return part;
}

/** As it was given, without a slash at its end. */
function urlOf(option: string, given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  if (!/^https?:\/\//.test(given) || !URL.canParse(given))
    throw new SupapushError('usage', `${option} must be a URL such as https://example.com.`);
  return given.replace(/\/+$/, '');
}

export const command: Command = { usage: USAGE, run };

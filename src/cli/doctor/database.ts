import type postgres from 'postgres';
import { publicKeyOf } from '../../server/channels/webpush/vapid-key-forms.ts';
import { callOf } from '../command.ts';
import { publicKeysIn } from '../vapid-pair.ts';
import type { Check, Finding } from './check.ts';
import type { DatabaseFacts } from './database-facts.ts';
import { fewRows } from './folder.ts';
import { HEALTH_CHECKS } from './health.ts';
import { connectAgain, isAnother, readKnown } from './which-project.ts';

const PUSH = 'npx supabase db push';
const EXTENSIONS = ['pg_cron', 'pg_net', 'supabase_vault'];
/** VAPID tokens and receipts are refused where clocks differ by hours; a minute is what requests and alarms allow for. */
const CLOCK_SECONDS = 60;

/** Whether there is anything of Supapush to look at. */
export async function schemaFindings(sql: postgres.Sql): Promise<Finding[]> {
  const [found] = await sql<{ there: boolean }[]>`
    select to_regprocedure('public.push_health(timestamptz)') is not null
      and to_regprocedure('push.read_bell()') is not null as there`;
  return found?.there === true
    ? []
    : [{ code: 'schema_missing', message: 'This database does not have Supapush.', cure: PUSH }];
}

export const DATABASE_CHECKS: Check<DatabaseFacts>[] = [
  { name: 'the version', look: versionFindings },
  { name: 'the extensions', look: extensionFindings },
  { name: "the Vault's entries", look: vaultFindings },
  { name: 'the VAPID key', look: vapidFindings },
  { name: 'which project it is', look: projectFindings },
  { name: 'the settings of the Data API', look: apiFindings },
  ...HEALTH_CHECKS,
  { name: 'the clock', look: clockFindings },
];

async function versionFindings({ sql, version }: DatabaseFacts): Promise<Finding[]> {
  const [row] = await sql<{ found: string }[]>`select push.version() as found`;
  const found = row?.found ?? version;
  if (found === version) return [];
  return [
    {
      code: 'schema_of_other_release',
      message: `The schema of the database is Supapush ${found}, and this package is ${version}.`,
      cure: `npx supapush upgrade && ${PUSH}`,
    },
  ];
}

async function extensionFindings({ sql, ...meant }: DatabaseFacts): Promise<Finding[]> {
  const rows = await sql<{ name: string }[]>`
    select w.name from unnest(${EXTENSIONS}::text[]) as w (name)
    where not exists (select from pg_catalog.pg_extension as e where e.extname = w.name)`;
  if (rows.length === 0) return [];
  const cure = await connectAgain(sql, meant);
  return rows.map(({ name }) => ({
    code: 'extension_missing',
    message: `The extension ${name} is missing, as after a restore that left it out.`,
    cure,
  }));
}

async function vaultFindings({ sql, setting, file, ...meant }: DatabaseFacts): Promise<Finding[]> {
  const bellSecret = setting('PUSH_BELL_SECRET') ?? null;
  // Compared there, so that the Vault's secret does not travel.
  const [bell] = await sql<
    { url: string | null; differs: boolean | null; fault: string | null; message: string }[]
  >`select b.url, b.secret <> ${bellSecret}::text as differs, b.fault, b.message from push.read_bell() as b`;
  if (bell === undefined) return [];
  const cure = await connectAgain(sql, meant);
  if (bell.fault !== null) return [{ code: bell.fault, message: bell.message, cure }];
  // Of two projects nothing is compared: what is wrong of one is right of the other, and a cure would mix them.
  if (isAnother(bell.url, meant)) {
    return [
      {
        code: 'project_differs',
        message: `The database calls the functions of ${bell.url}, and the project is ${meant.projectUrl}.`,
        cure: `Look at one project: --database-url of ${meant.projectUrl}, or --project-url ${bell.url}. A database that was restored: docs/operate/restore.md`,
      },
    ];
  }
  if (bell.differs !== true) return [];
  return [
    {
      code: 'bell_secret_differs',
      message: `PUSH_BELL_SECRET of ${file} is not the one in the Vault: functions that have the first refuse the database.`,
      cure,
    },
  ];
}

async function vapidFindings({ sql, setting, file, ...meant }: DatabaseFacts): Promise<Finding[]> {
  const { url, key } = await readKnown(sql);
  if (key === null) {
    const message = 'The database knows no VAPID key: no browser can subscribe.';
    return [{ code: 'vapid_key_missing', message, cure: await connectAgain(sql, meant) }];
  }
  const own = setting('VAPID_PUBLIC_KEY');
  if (own === undefined || isAnother(url, meant)) return [];
  const newest = publicKeyOf(own);
  const findings: Finding[] = [];
  if (newest !== key) {
    findings.push({
      code: 'vapid_key_differs',
      message: `New devices subscribe with another VAPID key than that of ${file}.`,
      cure: await connectAgain(sql, meant),
    });
  }
  const kept = new Set(
    publicKeysIn({ VAPID_PUBLIC_KEY: own, VAPID_PREVIOUS_KEYS: setting('VAPID_PREVIOUS_KEYS') }),
  );
  const used = await sql<{ vapid_key: string | null; subscriptions: string }[]>`
    select vapid_key, subscriptions from push.vapid_key_usage()`;
  const lost = used.filter(({ vapid_key }) => vapid_key !== null && !kept.has(vapid_key));
  const count = lost.reduce((sum, { subscriptions }) => sum + Number(subscriptions), 0);
  if (count > 0) {
    findings.push({
      code: 'vapid_key_lost',
      message: `${count} ${count === 1 ? 'device has' : 'devices have'} subscribed with a VAPID key whose pair is not in ${file}: nothing can be sent to ${count === 1 ? 'it' : 'them'}.`,
      cure: `Restore the pair to VAPID_PREVIOUS_KEYS in ${file}, then: npx supabase secrets set --env-file ${file}. Without it, these devices have to subscribe again.`,
    });
  }
  return findings;
}

async function projectFindings({ sql }: DatabaseFacts): Promise<Finding[]> {
  const [project] = await sql<{ url: string; connected_url: string; found: string | null }[]>`
    select url, connected_url, found from push.project`;
  // Never connected: the Vault has said so.
  if (project === undefined) return [];
  const { url, connected_url: connected, found } = project;
  const other = found ?? (connected === url ? null : connected);
  if (other === null) return [];
  return [
    {
      code: 'copied_project',
      message: `Nothing is sent: this is the database of ${url}, and was found to be ${other}. If it is a copy, its devices belong to real people.`,
      cure: `A copy: leave it, or delete from public.push_subscriptions first. The project itself: ${callOf('connect', '--adopt')}`,
    },
  ];
}

async function apiFindings({ sql }: DatabaseFacts): Promise<Finding[]> {
  // What is set for the role comes before what the dashboard says, which no SQL can see.
  const rows = await sql<{ name: string; value: string }[]>`
    select distinct on (name) split_part(c.setting, '=', 1) as name, substr(c.setting, strpos(c.setting, '=') + 1) as value
    from pg_catalog.pg_db_role_setting as s
    join pg_catalog.pg_roles as r on r.oid = s.setrole and r.rolname = 'authenticator'
    cross join unnest(s.setconfig) as c (setting)
    where s.setdatabase in (0, (select d.oid from pg_catalog.pg_database as d where d.datname = current_database()))
    order by name, s.setdatabase desc`;
  const set = new Map(rows.map(({ name, value }) => [name, value]));
  const schemas = set.get('pgrst.db_schemas');
  const names = schemas?.split(',').map((name) => name.trim().replaceAll('"', ''));
  const maxRows = set.get('pgrst.db_max_rows');
  const reload = "notify pgrst, 'reload config';";
  return [
    ...(names !== undefined && !names.includes('public')
      ? [
          {
            code: 'schema_not_exposed',
            message: `The Data API serves ${schemas}, and not public, where the tables and functions for your app are.`,
            cure: `alter role authenticator set pgrst.db_schemas = 'public, ${schemas}'; ${reload}`,
          },
        ]
      : []),
    ...(maxRows !== undefined && /^\d+$/.test(maxRows)
      ? fewRows(Number(maxRows), `alter role authenticator set pgrst.db_max_rows = '1000'; ${reload}`)
      : []),
  ];
}

async function clockFindings({ sql, now }: DatabaseFacts): Promise<Finding[]> {
  const before = now();
  const [row] = await sql<{ seconds: number }[]>`
    select extract(epoch from clock_timestamp())::float8 as seconds`;
  const after = now();
  // In favour of both: somewhere between the question and the answer.
  const there = (row?.seconds ?? 0) * 1000;
  const apart = Math.round(Math.max(before - there, there - after, 0) / 1000);
  if (apart < CLOCK_SECONDS) return [];
  return [
    {
      code: 'clock_differs',
      message: `The clock of the database is ${there < before ? 'behind' : 'ahead of'} that of this machine by ${apart} seconds: push services and devices refuse what is dated wrongly.`,
      cure: 'Set the clock of this machine by a time server; if it is right, that of the database (hosted: tell Supabase).',
    },
  ];
}

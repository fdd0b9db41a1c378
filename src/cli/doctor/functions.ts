import { setTimeout as delay } from 'node:timers/promises';
import type postgres from 'postgres';
import { callOf } from '../command.ts';
import { type Answer, ask, saidBy } from './answer.ts';
import type { Check, Finding } from './check.ts';
import { apiFindings } from './data-api.ts';
import { FUNCTIONS } from './folder.ts';
import type { FunctionFacts } from './function-facts.ts';

export const FUNCTION_CHECKS: Check<FunctionFacts>[] = [
  ...FUNCTIONS.map((name) => ({
    name: `${name}, from here`,
    look: (facts: FunctionFacts) => findingsFromHere(name, facts),
  })),
  { name: 'the functions, from the database', look: findingsFromDatabase },
  { name: 'the Data API', look: apiFindings },
];

const deployOf = (names: string) => `npx supabase functions deploy ${names} --use-api`;
const FUNCTIONS_URL = (projectUrl: string, name: string) => `${projectUrl}/functions/v1/${name}`;

async function findingsFromHere(name: string, facts: FunctionFacts): Promise<Finding[]> {
  const url = FUNCTIONS_URL(facts.projectUrl, name);
  const answer = await ask(url, facts.patience);
  if (typeof answer === 'string') {
    return [
      {
        code: 'function_unreachable',
        message: `${url} does not answer from here: ${answer}`,
        cure: 'Check the project URL (--project-url) and your network.',
      },
    ];
  }
  return answerFindings(name, answer, facts);
}

/** What is wrong with what a function answers to GET, with a key or without. */
function answerFindings(name: string, { status, body, version }: Answer, facts: FunctionFacts): Finding[] {
  if (status === 404)
    return [{ code: 'function_not_deployed', message: `${name} is not deployed.`, cure: deployOf(name) }];
  // The platform's own refusal: ours have codes in small letters.
  if (status === 401) {
    return [
      {
        code: 'function_verifies_jwt',
        message: `${name} was deployed without verify_jwt = false: the platform refuses the database, which calls it with a secret of its own.`,
        cure: `npx supapush init && ${deployOf(name)}`,
      },
    ];
  }
  if (body.code === 'not_configured' || body.status === 'not_configured') {
    return [
      {
        code: 'function_not_configured',
        message: `${name}: ${(body.message ?? 'It is not configured.').replace(/ Run: .*$/s, '')}`,
        cure: `npx supabase secrets set --env-file ${facts.file}`,
      },
    ];
  }
  if (status !== 200) {
    return [
      {
        code: 'function_fails',
        message: `${name} answers ${saidBy({ status, body })}.`,
        cure: `Look at its log, in the dashboard under Edge Functions → ${name} → Logs.`,
      },
    ];
  }
  if (body.function !== name) {
    return [
      {
        code: 'function_is_another',
        message: `What answers as ${name} is not Supapush's.`,
        cure: deployOf(name),
      },
    ];
  }
  const findings: Finding[] = [];
  if (version !== null && version !== facts.version) {
    findings.push({
      code: 'function_of_other_release',
      message: `${name} is Supapush ${version}, and this package is ${facts.version}.`,
      cure: deployOf(name),
    });
  }
  const key = body.vapid_public_key;
  // A database without a key has said so itself.
  if (key !== undefined && facts.vapidKey && key !== facts.vapidKey) {
    findings.push({
      code: 'vapid_key_differs',
      message: `${name} has another VAPID key than the one with which the database lets devices subscribe.`,
      cure: `npx supabase secrets set --env-file ${facts.file} && ${facts.connect}`,
    });
  }
  return findings;
}

interface NetAnswer {
  id: string;
  status_code: number | null;
  timed_out: boolean | null;
  error_msg: string | null;
  is_refused: boolean;
}

/** Asks each function as the database does, and push-dispatch whether it takes the Vault's secret. The secret does not come here. */
async function findingsFromDatabase({ sql, patience, connect }: FunctionFacts): Promise<Finding[]> {
  if (sql === undefined) return [];
  // Its answer has to be written and read within the patience, too.
  const timeout = Math.round(patience * 0.8);
  // Without these the Vault's entries are what is wrong, and were told of.
  const asked = await sql<{ name: string; id: string }[]>`
    select f.name, net.http_get(
      url => b.url || '/functions/v1/' || f.name, timeout_milliseconds => ${timeout}::integer
    ) as id
    from push.read_bell() as b, unnest(${FUNCTIONS}::text[]) as f (name)
    where b.fault is null
    union all
    -- A body that no dispatcher takes: the secret is looked at before it.
    select 'the bell', net.http_post(
      url => b.url || '/functions/v1/push-dispatch', body => '{}',
      headers => jsonb_build_object('Content-Type', 'application/json', 'x-push-bell', b.secret),
      timeout_milliseconds => ${timeout}::integer
    )
    from push.read_bell() as b
    where b.fault is null`;
  if (asked.length === 0) return [];
  const answers = await answersOf(
    sql,
    asked.map(({ id }) => id),
    patience,
  );
  if (answers.size === 0) {
    return [
      {
        code: 'pg_net_stands_still',
        message: `pg_net has sent none of ${asked.length} requests within ${patience / 1000} seconds: the database cannot call the functions.`,
        cure: 'select net.worker_restart();',
      },
    ];
  }
  return asked.flatMap(({ name, id }) => netFindings(name, answers.get(id), connect));
}

function netFindings(name: string, answer: NetAnswer | undefined, connect: string): Finding[] {
  if (name === 'the bell') {
    // All else is told of the function itself.
    return answer?.is_refused === true
      ? [
          {
            code: 'bell_refused',
            message: "push-dispatch refuses the Vault's secret: nothing is delivered.",
            cure: connect,
          },
        ]
      : [];
  }
  if (answer !== undefined && answer.status_code !== null) return [];
  const reason = answer?.error_msg ?? (answer?.timed_out === true ? 'it took too long' : 'no answer yet');
  return [
    {
      code: 'function_unreachable_from_database',
      message: `${name} does not answer the database: ${reason}.`,
      cure: callOf('connect', '--project-url https://<ref>.supabase.co'),
    },
  ];
}

async function answersOf(
  sql: postgres.Sql,
  ids: readonly string[],
  patience: number,
): Promise<Map<string, NetAnswer>> {
  const until = performance.now() + patience;
  for (;;) {
    const rows = await sql<NetAnswer[]>`
      select id, status_code, timed_out, error_msg, coalesce(content like '%bell_refused%', false) as is_refused
      from net._http_response where id = any (${ids as string[]}::bigint[])`;
    if (rows.length === ids.length || performance.now() > until)
      return new Map(rows.map((row) => [row.id, row]));
    await delay(100);
  }
}

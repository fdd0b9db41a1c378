import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type PushService,
  type ScriptedAnswer,
  startPushService,
} from '../../../tools/local/push-service/push-service.ts';
import type { Stack } from '../../../tools/local/stack.ts';
import { type Account, addDevices, createAccounts } from '../../support/accounts.ts';
import { eventually } from '../../support/eventually.ts';
import { createRecipients, type Recipient } from '../../support/recipients.ts';
import { startMigratedStack } from '../../support/stack.ts';

// The settings that ship, and pg_cron's own tick: what is measured is what a project would see.
let stack: Stack;
let quiet: PushService;
let sql: postgres.Sql;
let honest: { busy: Recipient[]; quiet: Recipient[] };

beforeAll(async () => {
  [stack, quiet] = await Promise.all([startMigratedStack(), startPushService()]);
  sql = postgres(stack.databaseUrl, { onnotice: () => {}, max: 4 });
  await sql`insert into push.hosts (origin) values (${quiet.origin})`;
  honest = {
    busy: await createRecipients(sql, stack.pushService, 20),
    quiet: await createRecipients(sql, quiet, 5),
  };
});

afterAll(async () => {
  await sql?.end();
  await Promise.all([stack?.stop(), quiet?.stop()]);
});

type Latencies = Record<'busy' | 'quiet', number[]>;

const SECONDS = 6;
const BUSY_PER_SECOND = 10;

/** Sends honest messages for some seconds, ten a second at one push service and one every two at the other; gives each one's latency. */
async function measure(label: string): Promise<Latencies> {
  const latencies: Record<'busy' | 'quiet', Promise<number>[]> = { busy: [], quiet: [] };
  const send = (where: 'busy' | 'quiet', index: number) => {
    const recipients = honest[where];
    const { userId, device } = recipients[index % recipients.length] as Recipient;
    const title = `${label} ${where} ${index}`;
    const started = performance.now();
    const arrived = new Promise<number>((resolve) => {
      const stop = device.onMessage(({ text }) => {
        if (!text?.includes(`"${title}"`)) return;
        stop();
        resolve(performance.now() - started);
      });
    });
    latencies[where].push(arrived);
    return sql`select push.notify(${userId}::uuid, ${title})`;
  };
  const started = performance.now();
  for (let index = 0; index < SECONDS * BUSY_PER_SECOND; index++) {
    await send('busy', index);
    if (index % (2 * BUSY_PER_SECOND) === 0) await send('quiet', index / (2 * BUSY_PER_SECOND));
    const next = started + ((index + 1) * 1000) / BUSY_PER_SECOND;
    await new Promise((resolve) => setTimeout(resolve, Math.max(next - performance.now(), 0)));
  }
  const all = Promise.all([Promise.all(latencies.busy), Promise.all(latencies.quiet)]);
  const late = eventually(
    () => Promise.race([all, null]),
    (found) => found !== null,
    30_000,
  );
  const [busy, calm] = (await late.catch(() => null)) ?? [
    [Number.POSITIVE_INFINITY],
    [Number.POSITIVE_INFINITY],
  ];
  return { busy, quiet: calm };
}

const p99 = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1] ?? Number.NaN;

const said = ({ busy, quiet: calm }: Latencies) =>
  `p99 ${Math.round(p99(busy))} ms at the busy service (${busy.length}), ${Math.round(p99(calm))} ms at the quiet one (${calm.length})`;

const ANSWERS: Record<string, ScriptedAnswer> = {
  'refuse the key (403)': { kind: 'status', status: 403, times: Number.POSITIVE_INFINITY },
  'fail (500)': { kind: 'status', status: 500, times: Number.POSITIVE_INFINITY },
  'throttle for a day (429)': {
    kind: 'status',
    status: 429,
    retryAfter: 86_400,
    times: Number.POSITIVE_INFINITY,
  },
  'break the connection': { kind: 'reset', times: Number.POSITIVE_INFINITY },
  'never answer': { kind: 'hang', times: Number.POSITIVE_INFINITY },
};

/** What those accounts' own rows set off: ten messages each at once, then one a second, to ten devices at each push service. */
async function attack(accounts: Account[], answer: ScriptedAnswer): Promise<() => Promise<void>> {
  for (const { devices } of accounts)
    for (const { service, device } of devices) service.script(device.endpoint, answer);
  const users = accounts.map(({ userId }) => userId);
  const notify = (count: number) => sql`
    insert into public.push_notifications (user_id, title)
    select user_id, 'Mine ' || n from unnest(${users}::uuid[]) as user_id, generate_series(1, ${count}::int) as n`;
  await notify(10);
  let failed: unknown;
  let ended = false;
  const going = (async () => {
    while (!ended) {
      await notify(1);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  })().catch((error) => {
    failed = error;
  });
  return async () => {
    ended = true;
    await going;
    if (failed) throw failed;
    await sql`delete from auth.users where id = any (${users}::uuid[])`;
  };
}

/** Accounts whose devices the services know, each having taken a message, and as many devices that none has heard of. */
async function prepare(count: number): Promise<Account[]> {
  const accounts = await createAccounts(sql, count, [stack.pushService, quiet]);
  await sql`
    insert into public.push_notifications (user_id, title)
    select id, 'First' from unnest(${accounts.map(({ userId }) => userId)}::uuid[]) as id`;
  await Promise.all(
    accounts.flatMap(({ devices }) =>
      devices.map(({ device }) => device.waitForMessages(1, { timeoutMs: 30_000 })),
    ),
  );
  for (const account of accounts) await addDevices(sql, account, [stack.pushService, quiet]);
  return accounts;
}

test.each([
  ['one account', 1],
  ['five accounts', 5],
])(
  'what the devices of %s answer delays no message of others',
  async (name, count) => {
    const attacks = [];
    for (const [what, answer] of Object.entries(ANSWERS))
      attacks.push({ what, answer, accounts: await prepare(count) });
    const baseline = await measure('calm');
    const lines = [`${name}, calm: ${said(baseline)}`];
    const worse: string[] = [];
    const isWorse = (during: Latencies) =>
      p99(during.busy) > p99(baseline.busy) + 1000 || p99(during.quiet) > p99(baseline.quiet) + 1000;
    for (const { what, answer, accounts } of attacks) {
      const end = await attack(accounts, answer);
      let during = await measure(what);
      lines.push(`${name}, ${what}: ${said(during)}`);
      if (isWorse(during)) {
        // The attack goes on, and so does what it holds up. What else the machine had to do does not.
        during = await measure(`${what}, again`);
        lines.push(`${name}, ${what}, again: ${said(during)}`);
      }
      await end();
      if (isWorse(during)) worse.push(what);
    }
    const [ended] = await sql<{ count: number }[]>`
    select count(*)::int as count from push.deliveries where state in ('expired', 'failed')
      and subscription_id = any (${[...honest.busy, ...honest.quiet].map(({ subscriptionId }) => subscriptionId)}::uuid[])`;
    console.log(lines.join('\n'));
    expect(worse).toEqual([]);
    expect(ended).toEqual({ count: 0 });
  },
  400_000,
);

import { randomBytes, randomInt } from 'node:crypto';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FloodOutcome, flood } from '../../support/flood.ts';
import { type Latency, measureLatency } from '../../support/latency.ts';
import { createUser } from '../../support/postgres.ts';
import { eventsUrl, tell } from '../../support/push-events.ts';
import { useStack } from '../../support/stack.ts';
import { createSubscription, type SubscriptionInput, subscribe } from '../../support/subscriptions.ts';

const PER_SECOND = 300;
const MILLISECONDS = 4000;
// Twenty look-ups a second, with some room: the first second has one more, and a neighbour's own are among them.
const LOOK_UPS = (MILLISECONDS / 1000) * 20 * 1.5;

const stack = useStack({ workers: { net: false, cron: false }, functions: ['push-events'] });

let sql: postgres.Sql;
let anna: SupabaseClient;
const devices: SubscriptionInput[] = [];
beforeAll(async () => {
  sql = postgres(stack().databaseUrl, { onnotice: () => {} });
  const admin = postgres(stack().superuserDatabaseUrl, { onnotice: () => {} });
  await admin`alter system set track_functions = 'all'`;
  await admin`select pg_reload_conf()`;
  await admin.end();
  anna = createClient(stack().url, stack().publishableKey, { auth: { persistSession: false } });
  const { error } = await anna.auth.signUp({ email: 'anna@example.com', password: 'correct horse' });
  if (error) throw error;
  for (let count = 0; count < 400; count += 1) {
    const device = createSubscription();
    devices.push(device);
    await subscribe(sql, (await createUser(sql)).id, device);
  }
});
afterAll(() => sql?.end());

/** A user at the Data API. */
const read = async () => {
  const { error } = await anna.from('push_subscriptions').select('id');
  if (error) throw error;
};
/** A device that was registered, each time another one. */
const release = async () => {
  const { status, body } = await tell(stack(), { release: devices.pop() });
  expect([status, body]).toEqual([200, { released: true }]);
};

/** How often strangers and devices got through to the database, as far as its connections have told it yet. */
async function calls(): Promise<number> {
  const [row] = await sql<{ calls: number }[]>`
    select coalesce(sum(calls), 0)::int as calls from pg_stat_user_functions
    where funcname in ('push_proven_devices', 'push_release', 'push_resubscribe', 'push_record_receipts')`;
  return row?.calls ?? 0;
}

/** How often the database refused something, which it logs. */
const databaseErrors = () => stack.log().filter((line) => line.startsWith('api: ')).length;

const neighbours = async (name: string, over: (calls: number) => boolean): Promise<[Latency, Latency]> => {
  const both = [
    measureLatency(`${name}: a user's read`, read, over),
    measureLatency(`${name}: a device's release`, release, over),
  ];
  return (await Promise.all(both)) as [Latency, Latency];
};

const forged = () => ({
  receipt: `${randomInt(1, 1e9)}.${randomBytes(16).toString('base64url')}`,
  event: 'clicked',
});
const ATTACKS: [string, () => object][] = [
  ['releases of devices that do not exist', () => ({ release: createSubscription() })],
  [
    'exchanges of devices that do not exist',
    () => ({ resubscribe: { old: createSubscription(), new: createSubscription() } }),
  ],
  ['a hundred forged receipts at a time', () => ({ receipts: Array.from({ length: 100 }, forged) })],
];

/** What neighbours get while one attack goes on, and what it cost the database. */
async function underAttack(name: string, body: () => object) {
  const bodies = Array.from({ length: 200 }, () => JSON.stringify(body()));
  const callsBefore = await calls();
  const errorsBefore = databaseErrors();
  let outcome: FloodOutcome | undefined;
  const attack = flood({
    url: eventsUrl(stack()),
    bodies,
    perSecond: PER_SECOND,
    milliseconds: MILLISECONDS,
  }).then((said) => {
    outcome = said;
  });
  const [read, release] = await neighbours(name, () => outcome !== undefined);
  await attack;
  const made = (await calls()) - callsBefore;
  console.log(
    `${name}: ${JSON.stringify(outcome)}, ${made} calls of the database, ${release.calls} of them releases`,
  );

  expect(outcome?.sent).toBe((PER_SECOND * MILLISECONDS) / 1000);
  expect(Object.keys(outcome?.statuses ?? {})).toHaveLength(1);
  expect(made - release.calls).toBeLessThan(LOOK_UPS);
  expect(databaseErrors() - errorsBefore, 'and no line in the log of the database').toBe(0);
  return { read, release };
}

test.each(ATTACKS)(
  '%s, 300 a second, slow no other caller down, and a real device gets through',
  async (name, body) => {
    const [readBefore, releaseBefore] = await neighbours('without', (count) => count >= 20);
    const isSlow = ({ read, release }: { read: Latency; release: Latency }) =>
      read.p50 >= readBefore.p50 + 500 || release.p50 >= releaseBefore.p50 + 500 || release.calls < 5;
    let during = await underAttack(name, body);
    // By the median: of seven calls, one that met other work of the machine says nothing of the attack, and neither does one attack.
    if (isSlow(during)) during = await underAttack(`${name}, again`, body);
    expect(isSlow(during) ? during : 'as fast as before').toBe('as fast as before');
  },
);
